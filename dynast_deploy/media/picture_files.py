"""Picture files in and out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.media.picture_colours import srgb_pixels
from dynast_deploy.media.picture_depth import low_rgb
from dynast_deploy.media.picture_names import (
    CAMERA_RAW,
    PICTURE_SUFFIXES,
    WRITTEN_SUFFIXES,
    list_pictures,
    register_heif,
    remedy,
)

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "PICTURE_SUFFIXES",
    "WRITTEN_SUFFIXES",
    "list_pictures",
    "opened_picture",
    "read_picture",
    "upright",
    "write_picture",
]

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 3},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 95, "method": 4},
}
_EXIF_ORIENTATION = 0x0112

MOST_BYTES = 950_000_000
"""Memory that reading one picture of an ordinary file may take; the larger a file, the more, in proportion."""

ORDINARY_FILE = 20_000_000
"""Bytes."""

_BYTES_A_PIXEL = {"JPEG2000": 24, "WEBP": 17, "AVIF": 16, "HEIF": 16, "TIFF": 11}
_BYTES_A_PIXEL_OTHERWISE = 8
_BYTES_A_PIXEL_PROGRESSIVE = 13  # a JPEG in several scans
"""What Pillow's decoder, its picture and ours take together, measured."""


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture as uint8 [H, W, 3] RGB in sRGB, turned as its EXIF orientation says.

    Colours come out as a screen shows them (`picture_colours.srgb_pixels`): embedded profiles are converted to sRGB,
    transparency is laid over white, deeper greys are brought to 8 bits. Of an animation the first picture is taken.

    Raises:
        DynastError: For a missing file, a folder, something that is not a picture, a picture cut short, and one of so
            many pixels that reading it would take more than `MOST_BYTES` (118 million of a JPEG or PNG, 178 million
            where the file has more than 30 MB).
    """
    from PIL import Image

    path = Path(path)
    try:
        if not path.exists():
            raise DynastError(f"{path}: no such picture file")
        if not path.is_file():
            raise DynastError(f"{path} is not a picture file; name a file such as ref.jpg")
    except PermissionError:
        raise DynastError(f"{path} cannot be read: permission denied") from None
    except (OSError, ValueError) as error:  # a name too long, or with a NUL in it
        raise DynastError(f"{path}: no such picture file ({error})") from None
    # The limit below comes before Pillow's, whose warning says nothing to the person who runs a command.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    with opened_picture(path) as stored:
        _check_pixels(path, stored)
        try:
            stored.load()
        except MemoryError:
            raise DynastError(f"{path} does not fit into memory; scale it down first") from None
        except Exception as error:  # whatever Pillow's decoders raise over what is in a file
            raise DynastError(f"{path} is damaged or cut short ({error}); copy it again") from error
        orientation = _orientation(stored)
        pixels = low_rgb(path, stored, srgb_pixels(stored))
    del stored  # frees Pillow's pixels before these are copied
    return upright(pixels, orientation)


def opened_picture(path: Path) -> Image:
    """Pillow's picture of a file, its pixels not read yet.

    Raises:
        DynastError: Where it is not a picture that Pillow can read.
    """
    from PIL import Image, UnidentifiedImageError

    if path.suffix.lower() in CAMERA_RAW:
        raise DynastError(f"{path} is a camera's raw file, which Pillow does not read; {remedy(path.suffix)}")
    register_heif()
    try:
        return Image.open(path)
    except UnidentifiedImageError as error:
        raise DynastError(f"{path} is not a picture that Pillow can read; {remedy(path.suffix)}") from error
    except Image.DecompressionBombError as error:
        raise DynastError(
            f"{path} is too large: more than 178 million pixels; scale it down first"
        ) from error
    except Exception as error:  # whatever Pillow's decoders raise over what is in a file
        raise DynastError(f"{path} is damaged or cut short ({error}); copy it again") from error


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """[H, W, C] turned and mirrored from an EXIF orientation (1..8; others count as 1) to the upright picture."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write uint8 [H, W, 3] RGB to PNG, JPEG (quality 95, full colour resolution) or WebP, by suffix.

    The file appears under its name when it is whole.

    Raises:
        ValueError: For an array of another kind.
        DynastError: For another suffix, a missing or read-only folder and a full disk.
    """
    from PIL import Image

    path = Path(path)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"picture is {picture.dtype} {picture.shape}, expected uint8 [H, W, 3]")
    check_picture_name(path)
    options = _SAVE_OPTIONS[path.suffix.lower()]
    with AtomicFile(path) as partial:
        Image.fromarray(np.ascontiguousarray(picture)).save(partial, **options)


def check_picture_name(path: Path) -> None:
    """Check the suffix of a picture that is to be written.

    Raises:
        DynastError: Where it is not one of `WRITTEN_SUFFIXES`.
    """
    if path.suffix.lower() not in WRITTEN_SUFFIXES:
        known = ", ".join(WRITTEN_SUFFIXES)
        raise DynastError(
            f"{path}: pictures are written as {known}, not as {path.suffix or 'a name without suffix'!r}"
        )


def _check_pixels(path: Path, stored: Image) -> None:
    width, height = stored.size
    each = _BYTES_A_PIXEL.get(stored.format or "", _BYTES_A_PIXEL_OTHERWISE)
    if stored.info.get("progressive"):
        each = _BYTES_A_PIXEL_PROGRESSIVE
    most = int(MOST_BYTES / each * max(1, path.stat().st_size / ORDINARY_FILE))
    if width * height > most:
        raise DynastError(
            f"{path} is too large: {width}x{height} is more than {most // 1_000_000} million pixels; "
            "scale it down first"
        )


def _orientation(stored: Image) -> int:
    if stored.format == "TIFF":  # turned by Pillow while it was loaded
        return 1
    try:
        orientation = stored.getexif().get(_EXIF_ORIENTATION, 1)
    except Exception:  # a broken EXIF block says nothing about the pixels
        return 1
    return orientation if isinstance(orientation, int) else 1
