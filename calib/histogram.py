"""Histograms of a fixed size, whatever is counted first.

Bins reach to a power of two. A value beyond it doubles the reach, and pairs of bins become one: the result is the same
in whatever order values come, and no first frame, such as a black one, decides how wide bins are for ever.
"""

from __future__ import annotations

import math

import numpy as np


class Histogram:
    """Counts of float32 values.

    counts: int64 `[bins]`, a multiple of 4; reach: what the bins reach to, 0 while all values are 0; low, high: the
    least and largest value. Bins lie between 0 and reach and count magnitudes, or between -reach and reach if `signed`.
    """

    def __init__(self, bins: int, signed: bool) -> None:
        self.counts, self.signed = np.zeros(bins, np.int64), signed
        self.reach, self.low, self.high = 0.0, math.inf, -math.inf

    @property
    def edges(self) -> np.ndarray:
        """float32 `[bins + 1]`"""
        return np.linspace(
            -self.reach if self.signed else 0, self.reach, len(self.counts) + 1, dtype=np.float32
        )

    def add(self, values: np.ndarray) -> None:
        """Count finite values of any shape."""
        if not values.size:
            return
        low, high = float(values.min()), float(values.max())
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._reach_for(max(abs(low), abs(high)))
        bins = len(self.counts)
        if not self.reach:
            found = np.zeros(bins, np.int64)
            found[bins // 2 if self.signed else 0] = values.size
            self.counts = self.counts + found
            return
        start = -self.reach if self.signed else 0.0
        magnitudes = values if self.signed else np.abs(values)
        found, _ = np.histogram(magnitudes.astype(np.float64), bins, (start, self.reach))
        self.counts = self.counts + found

    def _reach_for(self, magnitude: float) -> None:
        if magnitude <= self.reach:
            return
        needed = math.ldexp(1.0, math.frexp(magnitude)[1])
        # Beyond as many doublings everything counted so far lies in the innermost bins.
        doublings = int(math.log2(needed / self.reach)) if self.reach else 0
        for _ in range(min(doublings, len(self.counts).bit_length())):
            self._double()
        self.reach = needed

    def _double(self) -> None:
        bins = len(self.counts)
        pairs = self.counts.reshape(-1, 2).sum(1)
        self.counts = np.zeros(bins, np.int64)
        begin = bins // 4 if self.signed else 0
        self.counts[begin : begin + bins // 2] = pairs
