"""Picture sizes, as people state them and as arrays need them."""

from __future__ import annotations

import operator
from typing import TypeAlias

from dynast_deploy.errors import DynastError

Size: TypeAlias = "int | tuple[int, int]"
"""The network's picture size: one integer for a square, or (height, width), in pixels."""

MAX_SIDE = 32767  # OpenCV's drawing and resizing hold coordinates in 16 bits in places


def height_width(size: Size) -> tuple[int, int]:
    """(height, width) of `size`; a DynastError where a side is no integer from 1 to 32767."""
    sides = size if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2:
        raise DynastError(f"size {size!r}: give one integer for a square, or (height, width)")
    height, width = (_side(side, f"size {size!r}") for side in sides)
    return height, width


def checked_picture_size(image_size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a picture as plain integers; a DynastError where it is not two sides of 1 to
    32767."""
    if len(image_size) != 2:
        raise DynastError(f"picture size {image_size!r}: give (width, height) in pixels")
    width, height = (_side(side, f"picture size {image_size!r}") for side in image_size)
    return width, height


def _side(side: int, what: str) -> int:
    try:
        pixels = operator.index(side)
    except TypeError:
        raise DynastError(f"{what}: the sides must be whole numbers of pixels") from None
    if not 1 <= pixels <= MAX_SIDE:
        raise DynastError(f"{what}: each side must be from 1 to {MAX_SIDE} pixels")
    return pixels
