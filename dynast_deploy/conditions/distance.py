"""Distance maps in the published units: city-block pixels, divided by three, cut at 255."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

FAR = 255  # value of a map in which nothing was drawn


class Box(NamedTuple):
    """Pixels `top <= y < bottom`, `left <= x < right`."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.bottom - self.top, self.right - self.left


def write_distance_map(background: np.ndarray, box: Box, out: np.ndarray) -> None:
    """Fill `out` with every pixel's distance to the nearest zero of `background`.

    Args:
        background: uint8 [box height, box width], 0 on what was drawn and anything else beside it. Everything
            outside the box counts as background.
        box: Where `background` lies in the picture; inside it altogether.
        out: uint8 [H, W], written: `min(distance // 3, 255)`, or 255 everywhere where nothing was drawn.

    The distance transform runs inside the box only. From outside it, every way to the nearest drawn pixel
    may go through the nearest pixel of the box, since city-block distances add up: the map is continued by
    |dx| + |dy|, exactly.
    """
    if background.all():
        out.fill(FAR)
        return
    height, width = out.shape
    inside = cv2.distanceTransform(background, cv2.DIST_L1, 3).astype(np.uint16)
    distance = cv2.copyMakeBorder(
        inside, box.top, height - box.bottom, box.left, width - box.right, cv2.BORDER_REPLICATE
    )
    distance += _steps_outside(box.top, box.bottom, height)[:, None]
    distance += _steps_outside(box.left, box.right, width)
    np.floor_divide(distance, 3, out=distance)
    np.minimum(distance, FAR, out=out, casting="unsafe")


def _steps_outside(first: int, end: int, length: int) -> np.ndarray:
    """uint16 [length]: how far each coordinate lies outside `first <= x < end`."""
    steps = np.zeros(length, np.uint16)
    steps[:first] = np.arange(first, 0, -1)
    steps[end:] = np.arange(1, length - end + 1)
    return steps
