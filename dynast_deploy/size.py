"""Sizes of pictures, height first, and the ways in which people state them."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from dynast_deploy.errors import DynastError

if TYPE_CHECKING:
    import numpy as np


class Size(NamedTuple):
    """Height and width of a picture in pixels, in the order of an array's shape."""

    height: int
    width: int

    @classmethod
    def of(cls, picture: np.ndarray) -> Size:
        """The size of a picture `[H, W]` or `[H, W, C]`."""
        return cls(picture.shape[0], picture.shape[1])

    @property
    def width_height(self) -> tuple[int, int]:
        """(width, height), the order that OpenCV and Pillow take and in which x and y are given."""
        return self.width, self.height


AnySize: TypeAlias = "int | tuple[int, int]"
"""A network's picture size: one integer for a square, or (height, width), in pixels."""

MAX_SIDE = 32767
"""OpenCV's drawing and resizing hold coordinates in 16 bits in places."""


def parse_size(text: str) -> Size:
    """The size that `--size` names, in pixels: `"256x192"` is height and width, one number is both.

    Raises:
        DynastError: Where `text` is not one or two positive multiples of 8.
    """
    try:
        height, width = (int(part) for part in (text.split("x") if "x" in text else (text, text)))
    except ValueError:
        raise DynastError(f"--size {text}: write HEIGHTxWIDTH, such as 256x192") from None
    if height % 8 or width % 8 or height <= 0 or width <= 0:
        raise DynastError(f"--size {text}: height and width must be multiples of 8")
    return Size(height, width)


def checked_size(size: AnySize) -> Size:
    """`size`, one integer for a square or (height, width), as plain integers.

    Raises:
        DynastError: Where a side is not an integer from 1 to `MAX_SIDE`.
    """
    sides = size if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise DynastError(f"size {size!r}: give one integer for a square, or (height, width)")
    height, width = (_side(side, f"size {size!r}") for side in sides)
    return Size(height, width)


def checked_picture_size(image_size: tuple[int, int]) -> Size:
    """The size of a picture stated as (width, height).

    Raises:
        DynastError: Where it is not two integers from 1 to `MAX_SIDE`.
    """
    if len(image_size) != 2:
        raise DynastError(f"picture size {image_size!r}: give (width, height) in pixels")
    width, height = (_side(side, f"picture size {image_size!r}") for side in image_size)
    return Size(height, width)


def _side(side: int, what: str) -> int:
    try:
        pixels = operator.index(side)
    except TypeError:
        raise DynastError(f"{what}: the sides must be whole numbers of pixels") from None
    if not 1 <= pixels <= MAX_SIDE:
        raise DynastError(f"{what}: each side must be from 1 to {MAX_SIDE} pixels")
    return pixels
