"""Tools of the scene painters: coordinates, noise, soft shapes. Pictures are float32 [S, S, 3], 0..255."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from dynast_deploy.synthetic.common.colours import Colour

_SHIFT = 4


@lru_cache(maxsize=4)
def grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel's centre as shares of the side, float32 [S, S]."""
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(at, at)
    return x, y


def blank(size: int, colour: Colour) -> np.ndarray:
    """A picture of one colour, float32 `[size, size, 3]`."""
    picture = np.empty((size, size, 3), np.float32)
    picture[:] = colour
    return picture


def lay(picture: np.ndarray, cover: np.ndarray, ink: Colour | np.ndarray) -> None:
    """Paint `ink` over `picture` by `cover` ([S, S], 0..1), in place."""
    picture += cover[..., None].astype(np.float32) * (np.asarray(ink, np.float32) - picture)


def soft(distance: np.ndarray, width: float = 0.005) -> np.ndarray:
    """1 where `distance` is positive and 0 where it is negative, over `width`.

    `distance` may have any shape; the result has it too.
    """
    return np.clip(distance / width + 0.5, 0, 1)


def clouds(size: int, rng: np.random.Generator, cells: float = 4.0, octaves: int = 4) -> np.ndarray:
    """Fractal noise, float32 [S, S], mean 0 and deviation about 1; `cells` grains lie across the coarsest octave."""
    total = np.zeros((size, size), np.float32)
    for octave in range(octaves):
        count = max(2, round(cells * 2**octave) + 1)
        coarse = rng.standard_normal((count, count)).astype(np.float32)
        total += (
            np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
            / 1.7**octave
        )
    return total / max(float(total.std()), 1e-6)


def ridge(size: int, rng: np.random.Generator, rough: float) -> np.ndarray:
    """A mountain line: float32 [S], mean 0, rougher with `rough` (0..1)."""
    x = (np.arange(size) + 0.5) / size
    line = np.zeros(size)
    for k in range(1, 9):
        line += rng.normal(0, 1) * np.sin(2 * np.pi * (k * 0.7 * x + rng.random())) / k ** (2.2 - rough)
    return line.astype(np.float32)


def polygon(picture: np.ndarray, points: np.ndarray, ink: Colour) -> None:
    """Fill a polygon given as [n, 2] x, y in shares of the side, in place."""
    fixed = np.round(np.asarray(points) * len(picture) * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(picture, [fixed], ink, cv2.LINE_AA, _SHIFT)
