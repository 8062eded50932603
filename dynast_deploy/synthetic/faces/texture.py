"""Textures of surfaces: pictures over a box of places (a, y), and how to look them up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from dynast_deploy.synthetic.common.colours import Colour

DENSITY = 140
"""Texels to half a head height, about what a 512-pixel portrait shows."""

TEXEL = 1 / DENSITY


@dataclass(frozen=True)
class Box:
    """Places from (left, top) to (right, bottom)."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def shape(self) -> tuple[int, int]:
        """Texels: rows, columns."""
        return round((self.bottom - self.top) * DENSITY) + 1, round((self.right - self.left) * DENSITY) + 1


@lru_cache(maxsize=8)
def places(box: Box) -> tuple[np.ndarray, np.ndarray]:
    """`a` and `y` of every texel, float32 [H, W]."""
    rows, columns = box.shape
    a = np.linspace(box.left, box.right, columns, dtype=np.float32)
    y = np.linspace(box.top, box.bottom, rows, dtype=np.float32)
    return np.broadcast_to(a, (rows, columns)), np.broadcast_to(y[:, None], (rows, columns))


@dataclass(frozen=True)
class Texture:
    """`colour` uint8 [H, W, 3] and `label` uint8 [H, W] (0 for nothing) over a box."""

    box: Box
    colour: np.ndarray
    label: np.ndarray

    def colours(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """uint8 [..., 3] at places, bilinear, the border's beyond the box."""
        column, row = self._texels(a, y)
        return _look_up(self.colour, column, row, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)

    def labels(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """uint8 [...] at places, the nearest texel's, 0 beyond the box."""
        column, row = self._texels(a, y)
        return _look_up(self.label, column, row, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)

    def _texels(self, a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = self.label.shape
        column = (a - self.box.left) * ((columns - 1) / (self.box.right - self.box.left))
        row = (y - self.box.top) * ((rows - 1) / (self.box.bottom - self.box.top))
        return column.astype(np.float32), row.astype(np.float32)


def _look_up(picture: np.ndarray, column: np.ndarray, row: np.ndarray, how: int, border: int) -> np.ndarray:
    """cv2.remap at positions of any shape; it takes them in rows of less than 32768."""
    across = 256
    maps = np.zeros((2, max(1, -(-column.size // across)) * across), np.float32)
    maps[0, : column.size], maps[1, : row.size] = column.ravel(), row.ravel()
    found = cv2.remap(
        picture, maps[0].reshape(-1, across), maps[1].reshape(-1, across), how, borderMode=border
    )
    return found.reshape(-1, *picture.shape[2:])[: column.size].reshape(*column.shape, *picture.shape[2:])


def soft(distance: np.ndarray, width: float = 1.5 * TEXEL) -> np.ndarray:
    """1 where `distance` is positive and 0 where it is negative, over `width`.

    `distance` may have any shape; the result has it too.
    """
    return np.clip(distance / width + 0.5, 0, 1)


def blob(a: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """A round soft spot: 1 in its middle. `a` and `y` have shapes that broadcast."""
    return np.exp(-(((a - at[0]) / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)


def lay(picture: np.ndarray, cover: np.ndarray, ink: Colour | np.ndarray) -> None:
    """Paint `ink` over `picture` (float32 [H, W, 3]) by `cover` ([H, W], 0..1), in place."""
    rows = _rows(cover)
    under, ink = picture[rows], np.asarray(ink, np.float32)
    under += cover[rows, :, None].astype(np.float32) * ((ink[rows] if ink.ndim == 3 else ink) - under)


def shade(picture: np.ndarray, dark: np.ndarray) -> None:
    """Darken `picture` by `dark` ([H, W], 0..1), reds least, as skin does, in place."""
    rows = _rows(dark)
    picture[rows] *= 1 - dark[rows, :, None].astype(np.float32) * np.array([0.8, 1.0, 1.05], np.float32)


def _rows(cover: np.ndarray) -> slice:
    """The rows between which `cover` does anything that could be seen."""
    found = np.flatnonzero(cover.max(axis=1) > 0.002)
    return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)


def noise(shape: tuple[int, int], grain: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    """Smooth noise float32 [H, W] of standard deviation about 1, with grains of (rows, columns) texels."""
    coarse = (max(2, round(shape[0] / grain[0]) + 1), max(2, round(shape[1] / grain[1]) + 1))
    values = rng.standard_normal(coarse).astype(np.float32)
    return cv2.resize(values, shape[::-1], interpolation=cv2.INTER_CUBIC)
