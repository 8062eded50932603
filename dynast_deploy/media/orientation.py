"""Which way is up: the display matrix of a video frame, and pixels that are not square."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from dynast_deploy.size import Size


@dataclass(frozen=True)
class Orientation:
    """How a stored picture is turned to be shown: transposed first, then mirrored."""

    transpose: bool = False
    mirror_columns: bool = False
    mirror_rows: bool = False

    @classmethod
    def from_display_matrix(cls, matrix: bytes) -> Orientation:
        """Read a display matrix: nine int32 in native order, as libavutil/display.h lays them out.

        A stored point (x, y) is shown at (a x + c y, b x + d y). Anything between two multiples of 90 degrees goes
        to the nearer one; a matrix that is too short or maps everything to one point counts as none.
        """
        if len(matrix) < 36:
            return cls()
        a, b, _, c, d, *_ = struct.unpack("=9i", matrix[:36])
        if a * d == b * c:
            return cls()
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(False, mirror_columns=a < 0, mirror_rows=d < 0)
        return cls(True, mirror_columns=c < 0, mirror_rows=b < 0)

    def size(self, stored: Size) -> Size:
        """The size of the shown picture."""
        return Size(stored.width, stored.height) if self.transpose else stored

    def apply(self, picture: np.ndarray) -> np.ndarray:
        """Turn `picture` uint8 [H, W, 3] upright; the result is `picture` itself where nothing turns."""
        import cv2  # ten times as fast at this as copying a transposed view

        if self.transpose:
            picture = cv2.transpose(picture)
        if self.mirror_rows and self.mirror_columns:
            picture = cv2.flip(picture, -1)
        elif self.mirror_rows or self.mirror_columns:
            picture = cv2.flip(picture, 1 if self.mirror_columns else 0)
        return picture


def square_pixel_size(stored: Size, pixel_aspect: Fraction | None) -> Size:
    """The size that shows a stored picture with square pixels, by enlarging one side.

    `pixel_aspect` is width over height of one stored pixel; None, zero and anything beyond 1:8 or 8:1 (nonsense in
    a header) count as square.
    """
    if pixel_aspect is None or not Fraction(1, 8) <= pixel_aspect <= 8:
        return stored
    if pixel_aspect >= 1:
        return Size(stored.height, round(stored.width * pixel_aspect))
    return Size(round(stored.height / pixel_aspect), stored.width)
