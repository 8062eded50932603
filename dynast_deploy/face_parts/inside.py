"""Which pixels of a mask are inside, whatever levels it was written with."""

from __future__ import annotations

import math

import numpy as np

from dynast_deploy.errors import DynastError

_MOST_LABELS = 32
"""Several levels that all are below this are labels of several parts and not one soft mask."""

_MOST_PIXELS = 1 << 24
"""Of a larger mask (4096x4096) every second, third, ... pixel is kept."""


def thinned(levels: np.ndarray) -> np.ndarray:
    """A mask or labels [H, W], without rows and columns that no network sees where it is very large."""
    step = math.ceil(math.sqrt(levels.size / _MOST_PIXELS)) or 1
    return levels[::step, ::step].copy() if step > 1 else levels


def inside(levels: np.ndarray, what: str) -> np.ndarray:
    """Bool [H, W] from a mask [H, W] of bool, integers or floats; `what` names it in the error.

    Two levels of which one is 0 (0 and 1, 0 and 255, ...), and integers up to 2: inside is what is not 0. Soft masks:
    inside is above half of full, which is 1, 255, 65535 or the largest value.

    Raises:
        DynastError: For several low levels, such as the labels of a face parser.
    """
    if levels.dtype.kind == "b":
        return levels
    if levels.dtype.kind == "f":
        levels = np.nan_to_num(levels, nan=0.0)
    largest = levels.max(initial=0)
    whole = levels.dtype.kind in "iu"
    outside = levels == 0
    if (whole and largest <= 2) or (outside.any() and (outside | (levels == largest)).all()):
        return levels > 0
    if whole and largest < _MOST_LABELS and len(np.unique(levels)) > 2:
        raise DynastError(
            f"{what} holds several levels up to {largest}, which are labels rather than one mask; write 0 outside of "
            "the part and 255 inside, or give the labels as docs/keypoints.md says"
        )
    full = next((full for full in (1, 255, 65535) if largest <= full), largest)
    return levels > full / 2
