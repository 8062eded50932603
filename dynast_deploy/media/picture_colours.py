"""The pixels of an open picture file as a screen shows them: 8 bits, sRGB, over white where they are transparent."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.media.picture_depth import deep_grey, is_deep
from dynast_deploy.media.picture_primaries import stated_primaries
from dynast_deploy.media.wide_gamut import is_wide, to_bt709

if TYPE_CHECKING:
    from PIL import ImageCms
    from PIL.Image import Image

STRIP_PIXELS = 1 << 20
"""Pixels converted at once, so that a large picture is in memory twice at most."""

UNCHANGED = 2
"""Levels; a profile that moves no colour further than this is sRGB, written by another program."""

_WITH_ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")
_GREY = ("1", "L", "LA", "La")
_SPACES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Colour spaces as profiles name them, and as Pillow does."""

_NO_SHORTCUTS = 0x0100  # cmsFLAGS_NOOPTIMIZE of LittleCMS


def srgb_pixels(picture: Image) -> np.ndarray:
    """uint8 [H, W, 3] of a loaded picture of any of Pillow's modes, as it lies in the file (not turned).

    Colours go from the embedded ICC profile to sRGB; a damaged profile, or one for another kind of colour than the
    picture's, is left out of account. Without a profile wide primaries count that are stated by number, and CMYK is
    converted plainly. Greys of more than 8 bits are brought to 8 as `deep_grey` says. Transparency is laid over white.
    """
    grey = is_deep(picture) or picture.mode in _GREY
    to_srgb = _colour_transform(picture, grey)
    width, height = picture.size
    pixels = np.empty((height, width, 3), np.uint8)
    for rows, strip in deep_grey(picture) if is_deep(picture) else _strips(picture):
        pixels[rows] = np.asarray(_over_white(strip, to_srgb))
    return pixels


def _strips(picture: Image) -> Iterator[tuple[slice, Image]]:
    width, height = picture.size
    each = max(1, STRIP_PIXELS // width)
    for top in range(0, height, each):
        bottom = min(top + each, height)
        yield slice(top, bottom), picture.crop((0, top, width, bottom))


def _over_white(strip: Image, to_srgb: Callable[[Image], Image]) -> Image:
    from PIL import Image

    if strip.mode not in _WITH_ALPHA and "transparency" not in strip.info:
        return to_srgb(strip)
    if strip.mode == "La":
        strip = strip.convert("LA")
    strip = strip.convert("RGBA")
    coloured = to_srgb(strip.convert("RGB"))
    coloured.putalpha(strip.getchannel("A"))
    return Image.alpha_composite(Image.new("RGBA", strip.size, "white"), coloured).convert("RGB")


def _colour_transform(picture: Image, grey: bool) -> Callable[[Image], Image]:
    """From a strip in the picture's mode, or in RGB, to RGB in sRGB."""
    try:
        from PIL import ImageCms
    except ImportError:  # Pillow without LittleCMS
        return _plain if grey else _from_primaries(picture)
    stored = picture.info.get("icc_profile")
    srgb = ImageCms.createProfile("sRGB")
    if picture.mode == "LAB":
        lab = ImageCms.buildTransform(ImageCms.createProfile("LAB"), srgb, "LAB", "RGB")
        return lab.apply
    if not isinstance(stored, bytes):
        return _plain if grey else _from_primaries(picture)
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(stored))
        mode = _SPACES.get(profile.profile.xcolor_space.strip())
        if mode is None or (mode == "CMYK") != (picture.mode == "CMYK") or (mode == "L" and not grey):
            return _plain
        exact: Any = _NO_SHORTCUTS if mode == "L" else 0
        transform = ImageCms.buildTransform(profile, srgb, mode, "RGB", flags=exact)
    except (OSError, ValueError, TypeError, ImageCms.PyCMSError):
        return _plain
    if mode == "L":
        return _grey_table(transform)
    if mode == "RGB" and _keeps_colours(transform):
        return _plain
    return lambda strip: transform.apply(strip if mode == "CMYK" else strip.convert("RGB"))


def _from_primaries(picture: Image) -> Callable[[Image], Image]:
    """From the wide primaries that the file states by number, if it does."""
    from PIL import Image

    primaries, transfer = stated_primaries(picture) or (0, 0)
    if not is_wide(primaries, transfer):
        return _plain
    return lambda strip: Image.fromarray(to_bt709(np.asarray(strip.convert("RGB")), primaries))


def _grey_table(transform: ImageCms.ImageCmsTransform) -> Callable[[Image], Image]:
    """What LittleCMS makes of each grey, without the shortcut by which it misses dark ones by up to ten levels."""
    from PIL import Image

    ramp = np.arange(256, dtype=np.uint8).reshape(1, 256)
    table = np.asarray(transform.apply(Image.fromarray(ramp)))[0]
    if np.abs(table.astype(int) - ramp[0, :, None]).max() <= UNCHANGED:
        return _plain
    return lambda strip: Image.fromarray(table[np.asarray(strip.convert("L"))])


def _plain(strip: Image) -> Image:
    return strip.convert("RGB")


def _keeps_colours(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether colours all over RGB, greys among them, stay as they are up to `UNCHANGED`."""
    from PIL import Image

    levels = np.linspace(0, 255, 9).astype(np.uint8)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(9, 81, 3)
    shown = np.asarray(transform.apply(Image.fromarray(colours)))
    return bool(np.abs(shown.astype(int) - colours).max() <= UNCHANGED)
