"""Distance maps in the published units: city-block pixels, divided by three, cut at 255."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from dynast_deploy.size import Size

FAR = 255  # value of a map in which nothing was drawn


class PixelBox(NamedTuple):
    """Pixels `top <= y < bottom`, `left <= x < right`."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return Size(self.bottom - self.top, self.right - self.left)


def write_distance_map(background: np.ndarray, box: PixelBox, out: np.ndarray) -> None:
    """Fill `out` with every pixel's distance to the nearest zero of `background`.

    Args:
        background: uint8 [box height, box width], 0 on what was drawn and anything else around it. Everything
            outside the box counts as background.
        box: Where `background` lies in the picture; inside it altogether.
        out: uint8 [H, W], written: `min(distance // 3, 255)`, or 255 everywhere where nothing was drawn.

    The distance transform runs inside the box only. From outside it, every way to the nearest drawn pixel may
    go through the nearest pixel of the box, since city-block distances add up: the map is continued by
    |dx| + |dy|, exactly.
    """
    if background.all():
        out.fill(FAR)
        return
    width = out.shape[1]
    inside = cv2.distanceTransform(background, cv2.DIST_L1, 3).astype(np.uint16)
    rows = cv2.copyMakeBorder(inside, 0, 0, box.left, width - box.right, cv2.BORDER_REPLICATE)
    rows[:, : box.left] += np.arange(box.left, 0, -1, dtype=np.uint16)
    rows[:, box.right :] += np.arange(1, width - box.right + 1, dtype=np.uint16)
    np.minimum(rows // 3, FAR, out=out[box.top : box.bottom], casting="unsafe")
    _continue_rows(rows[0], out[: box.top][::-1])
    _continue_rows(rows[-1], out[box.bottom :])


def _continue_rows(nearest: np.ndarray, out: np.ndarray) -> None:
    """Write the rows that follow the one of distances `nearest`, uint16 [W], to `out`, uint8 [rows, W].

    (d + k) // 3 is (d + k % 3) // 3 + k // 3: three rows are divided, and the others follow from them by
    adding within 8 bits.
    """
    steps = np.arange(1, len(out) + 1)
    thirds = np.minimum((nearest + np.arange(3, dtype=np.uint16)[:, None]) // 3, FAR).astype(np.uint8)
    more = np.minimum(steps // 3, FAR).astype(np.uint8)[:, None]
    np.minimum(thirds[steps % 3], FAR - more, out=out)
    out += more
