"""Turned squares of a picture, which MediaPipe's landmark networks look at."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Region:
    """A square: centre (x, y) and side in pixels of the picture, angle in radians, clockwise as one sees it."""

    centre: np.ndarray
    side: float
    angle: float

    def crop(self, picture: np.ndarray, size: int) -> np.ndarray:
        """uint8 `[size, size, 3]` from the picture uint8 `[H, W, 3]`, upright; its border is repeated outside it."""
        if self.side <= 2 * size:
            return self._warped(picture, size)
        # A warp looks at four pixels for each of its own: what lies between them is averaged first.
        scale = 2 * size / self.side
        smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        factors = np.array([smaller.shape[1] / picture.shape[1], smaller.shape[0] / picture.shape[0]])
        return Region(self.centre * factors, self.side * float(factors.mean()), self.angle)._warped(
            smaller, size
        )

    def _warped(self, picture: np.ndarray, size: int) -> np.ndarray:
        corners = self.to_picture(np.array([[0, 0], [1, 0], [0, 1]])).astype(np.float32)
        ends = np.array([[0, 0], [size, 0], [0, size]], np.float32)
        # Pixels lie at half numbers of these coordinates, and at whole ones of OpenCV's.
        matrix = cv2.getAffineTransform(corners - 0.5, ends - 0.5)
        return cv2.warpAffine(
            picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Points float `[K, 2]` in 0..1 of the square, as pixels of the picture."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        turn = np.array([[cosine, sine], [-sine, cosine]])
        pixels: np.ndarray = self.centre + (points - 0.5) * self.side @ turn
        return pixels


def letterboxed(picture: np.ndarray, size: int) -> tuple[np.ndarray, Region]:
    """The whole picture in a black square uint8 `[size, size, 3]`, and the square in pixels of the picture."""
    height, width = picture.shape[:2]
    side = max(height, width)
    inner = max(1, round(width * size / side)), max(1, round(height * size / side))
    left, top = (size - inner[0]) // 2, (size - inner[1]) // 2
    square = np.zeros((size, size, 3), np.uint8)
    square[top : top + inner[1], left : left + inner[0]] = cv2.resize(
        picture, inner, interpolation=cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    )
    scale = side / size
    centre = np.array([size / 2 - left, size / 2 - top]) * scale
    return square, Region(centre, float(side), 0.0)
