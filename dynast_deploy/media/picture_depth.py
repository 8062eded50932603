"""Greys of more than 8 bits (16 and 32 bits, signed, floating point) as the 8 bits that a screen shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_ROWS = 256
_PHOTOMETRIC, _BITS, _LARGEST, _KIND, _LARGEST_SIGNED = 262, 258, 281, 339, 341  # tags of TIFF 6.0
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2
_FULL_SCALES = (255, 1023, 4095)
"""White of 8, 10 and 12 bits, which programs store in wider numbers without a word."""


def is_deep(picture: Image) -> bool:
    """Whether Pillow holds the picture as greys of more than 8 bits."""
    return picture.mode == "F" or picture.mode.startswith("I")


def deep_grey(picture: Image) -> Iterator[tuple[slice, Image]]:
    """Rows of a loaded deep picture, and what they are in Pillow's mode L; black is 0 and white what the file says.

    White is, of a TIFF, the largest value of `BitsPerSample` or `MaxSampleValue`. Where 16 or 32 bits hold nothing
    above 4095 (less than 7 % of white, so it would look black) it is the white of 8, 10 or 12 bits. Floating point is
    0..1, with highlights above; where most of it is above 1 it is 0..255, or the 0..65535 of 16 bits. Values that are
    not numbers are black. Elsewhere white is 65535, to which Pillow brings PNG, PNM and JPEG 2000.
    """
    from PIL import Image

    tags: Any = getattr(picture, "tag_v2", {})
    white = _white(picture, tags)
    inverted = _first(tags, _PHOTOMETRIC) == _WHITE_IS_ZERO
    clear = picture.info.get("transparency")
    for rows, values in _strips(picture, tags):
        with np.errstate(invalid="ignore"):
            levels = np.nan_to_num(values * (255.0 / white), nan=0.0).clip(0, 255).round()
        if inverted:
            levels = 255 - levels
        if isinstance(clear, int):
            levels[values == clear] = 255
        yield rows, Image.fromarray(levels.astype(np.uint8))


def low_rgb(path: Path, picture: Image, pixels: np.ndarray) -> np.ndarray:
    """`pixels`, uint8 [H, W, 3] that Pillow made of a TIFF, or those of 10 and 12 bits in it that came out black.

    Of 16 bits a channel Pillow keeps the upper 8. Where these are all below 16, white is that of 8, 10 or 12 bits as
    in `deep_grey`, and OpenCV reads the whole numbers. Such a picture is not turned, nor its profile applied.
    """
    if picture.format != "TIFF" or picture.mode != "RGB" or pixels.max() >= 16:
        return pixels
    if _first(getattr(picture, "tag_v2", {}), _BITS) != 16:
        return pixels
    stored = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if stored is None or stored.dtype != np.uint16 or stored.shape != pixels.shape:
        return pixels
    white = _least(float(stored.max()), _FULL_SCALES)
    levels: np.ndarray = np.rint(stored[..., ::-1] * (255.0 / white)).astype(np.uint8)
    return levels


def _strips(picture: Image, tags: Any) -> Iterator[tuple[slice, np.ndarray]]:
    width, height = picture.size
    # Pillow keeps 32 bits without sign in integers with sign.
    wraps = picture.mode == "I" and _first(tags, _KIND, _UNSIGNED) == _UNSIGNED and _first(tags, _BITS) == 32
    for top in range(0, height, _ROWS):
        bottom = min(top + _ROWS, height)
        values = np.asarray(picture.crop((0, top, width, bottom)))
        yield slice(top, bottom), values.view(np.uint32) if wraps else values


def _white(picture: Image, tags: Any) -> float:
    largest, above_one = 0.0, 0
    for _, values in _strips(picture, tags):
        finite = values[np.isfinite(values)]
        largest = max(largest, float(finite.max(initial=0)))
        above_one += int((finite > 1).sum())
    if picture.mode == "F":
        most = above_one > picture.width * picture.height / 2
        return _least(largest, (255, 65535)) if most else 1.0
    if not tags:
        return _least(largest, (65535,))
    bits, signed = _first(tags, _BITS, 16), _first(tags, _KIND, _UNSIGNED) == _SIGNED
    if bits < 16:
        return float(2**bits - 1)
    stated = _first(tags, _LARGEST_SIGNED if signed else _LARGEST, 0)
    if isinstance(stated, (int, float)) and stated >= max(largest, 1):
        return float(stated)
    return _least(largest, (*_FULL_SCALES, 2 ** (15 if signed else 16) - 1, 2 ** (bits - signed) - 1))


def _least(largest: float, whites: tuple[int, ...]) -> float:
    """The first white that is not below the largest value; that value if there is none."""
    return float(next((white for white in whites if white >= largest), largest))


def _first(tags: Any, tag: int, otherwise: int = -1) -> Any:
    value = tags.get(tag, otherwise)
    return value[0] if isinstance(value, tuple) and value else value
