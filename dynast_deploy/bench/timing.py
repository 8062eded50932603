"""Milliseconds of something that is done repeatedly."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

SHARES = (50, 95, 99)
WARM_UP = 5
"""Runs before the first that counts: TensorRT sets its context up in one, graphs are captured in the next two."""


def milliseconds(work: Callable[[], object], times: int) -> list[float]:
    """Of `times` runs, one by one, after `WARM_UP` that do not count."""
    for _ in range(WARM_UP):
        work()
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        measured.append((time.perf_counter() - start) * 1e3)
    return measured


def milliseconds_of(work: Callable[[], object], times: int) -> dict[str, float]:
    """p50, p95 and p99 of `times` runs."""
    measured = milliseconds(work, times)
    return {f"p{share}": round(float(np.percentile(measured, share)), 4) for share in SHARES}
