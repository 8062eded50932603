"""Picture files in and out."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.natural_order import natural_order
from dynast_deploy.whole_file import WholeFile, write_failure

if TYPE_CHECKING:
    from PIL.Image import Image

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"})
"""What `list_pictures` looks for in a folder."""

_SAVE_OPTIONS: dict[str, dict[str, Any]] = {
    ".png": {"format": "PNG", "compress_level": 3},
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 95, "method": 4},
}
WRITTEN_SUFFIXES = frozenset(_SAVE_OPTIONS)
"""What `write_picture` writes."""


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture as uint8 [H, W, 3] RGB, turned as its EXIF orientation says.

    Transparency is laid over white, 16-bit and floating-point greys (0..1) are brought to 8 bits, CMYK and palettes
    become RGB without colour management, and of an animation the first picture is taken.

    Raises DynastError for a missing file, a folder, something that is no picture, a picture cut short, and one of
    so many pixels that it looks like a decompression bomb (Pillow's limit, about 179 million).
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    path = Path(path)
    if not path.exists():
        raise DynastError(f"{path}: no such picture file")
    if not path.is_file():
        raise DynastError(f"{path} is not a picture file; name a file such as ref.jpg")
    try:
        with Image.open(path) as stored:
            stored.load()
            try:
                upright = ImageOps.exif_transpose(stored)
            except Exception:  # a broken EXIF block says nothing about the pixels
                upright = stored
            return _rgb(upright)
    except UnidentifiedImageError as error:
        raise DynastError(
            f"{path} is not a picture that Pillow can read; convert it to PNG or JPEG"
        ) from error
    except Image.DecompressionBombError as error:
        raise DynastError(f"{path} is too large: {error}; scale it down first") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DynastError(f"{path} is damaged or cut short ({error}); copy it again") from error


def write_picture(path: str | Path, picture: np.ndarray) -> None:
    """Write uint8 [H, W, 3] RGB to PNG, JPEG (quality 95, full colour resolution) or WebP, by suffix.

    The file appears under its name when it is whole. Raises DynastError for another suffix, a missing or read-only
    folder and a full disk; ValueError for an array of another kind.
    """
    from PIL import Image

    path = Path(path)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"picture is {picture.dtype} {picture.shape}, expected uint8 [H, W, 3]")
    options = _SAVE_OPTIONS.get(path.suffix.lower())
    if options is None:
        known = ", ".join(_SAVE_OPTIONS)
        raise DynastError(
            f"{path}: pictures are written as {known}, not as {path.suffix or 'a name without suffix'!r}"
        )
    file = WholeFile(path)
    try:
        Image.fromarray(np.ascontiguousarray(picture)).save(file.partial, **options)
    except BaseException as error:
        file.discard()
        if isinstance(error, OSError):
            raise write_failure(path, error) from error
        raise
    file.keep()


def list_pictures(arguments: Iterable[str | Path]) -> list[Path]:
    """The picture files that a list of files and folders names, each once.

    Arguments stay in their order. A folder stands for the pictures directly in it, by suffix, in natural order
    (frame2 before frame10), hidden files left out. Raises DynastError for a name that does not exist, a folder
    without pictures, and an empty list.
    """
    pictures: dict[Path, None] = {}
    for argument in map(Path, arguments):
        if argument.is_dir():
            found = [
                path
                for path in argument.iterdir()
                if path.suffix.lower() in PICTURE_SUFFIXES
                and not path.name.startswith(".")
                and path.is_file()
            ]
            if not found:
                known = ", ".join(sorted(PICTURE_SUFFIXES))
                raise DynastError(f"{argument} holds no pictures ({known})")
            pictures.update(dict.fromkeys(sorted(found, key=natural_order)))
        elif argument.exists():
            pictures[argument] = None
        else:
            raise DynastError(f"{argument}: no such picture file or folder")
    if not pictures:
        raise DynastError("no pictures are named; give picture files or folders with pictures in them")
    return list(pictures)


def _rgb(picture: Image) -> np.ndarray:
    from PIL import Image

    if picture.mode.startswith("I") or picture.mode == "F":
        return np.repeat(_eight_bit_grey(np.asarray(picture))[..., None], 3, axis=2)
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return np.array(picture.convert("RGB"))


def _eight_bit_grey(grey: np.ndarray) -> np.ndarray:
    """[H, W] of 16-bit integers, or floats of 0..1, to uint8."""
    scaled = grey * 255.0 if np.issubdtype(grey.dtype, np.floating) else grey / 257.0
    return np.nan_to_num(scaled, nan=0.0).round().clip(0, 255).astype(np.uint8)
