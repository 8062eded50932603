"""The one-euro filter (Casiez et al., CHI 2012): steady while something is still, quick while it moves."""

from __future__ import annotations

import numpy as np

FRAME_RATE = 30.0
"""Frames a second that the filters' cut-off frequencies are given for."""
DERIVATIVE_CUTOFF = 1.0


class OneEuro:
    """Filters points from frame to frame, each coordinate by itself."""

    def __init__(self, min_cutoff: float, beta: float) -> None:
        """`min_cutoff` in Hz at rest; `beta`: Hz for each object's size a second of speed."""
        self._min_cutoff, self._beta = min_cutoff, beta
        self._last: np.ndarray | None = None

    def __call__(self, values: np.ndarray, object_size: float) -> np.ndarray:
        """The next frame's points, filtered; `object_size` in their unit."""
        if self._last is None:
            self._last, self._speed, self._smooth = values, np.zeros_like(values), values
            return values
        speed = (values - self._last) / object_size * FRAME_RATE
        self._speed = self._speed + _alpha(DERIVATIVE_CUTOFF) * (speed - self._speed)
        alpha = _alpha(self._min_cutoff + self._beta * np.abs(self._speed))
        self._smooth = self._smooth + alpha * (values - self._smooth)
        self._last = values
        return self._smooth


def _alpha(cutoff: np.ndarray | float) -> np.ndarray:
    return np.asarray(1 / (1 + FRAME_RATE / (2 * np.pi * cutoff)))
