"""Masks as pictures, one for each part, named as CelebAMask-HQ does: `00012_skin.png`, `00012_nose.png`, ..."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts.inside import inside, thinned
from dynast_deploy.face_parts.label_map import order_of, parts_of
from dynast_deploy.size import Size

if TYPE_CHECKING:
    from PIL.Image import Image

_FACES_IN_A_FOLDER = 2000
_MOST_PIXELS = 1 << 26


def celebamask_file(folder: Path, number: int, part: str) -> Path:
    """Where CelebAMask-HQ keeps one part of face `number`: `folder/11/23071_skin.png`."""
    return folder / str(number // _FACES_IN_A_FOLDER) / f"{number:05d}_{part}.png"


def find_mask_pictures(folder: Path, name: str) -> dict[str, Path]:
    """The files in a folder with masks of the picture called `name` (without ending), by part; empty if there are none.

    They are called `<name>_<part>.png`. For a name that is a number they may be CelebAMask-HQ's, with five digits, in
    the folder or in its numbered folders.
    """
    candidates = [{part: folder / f"{name}_{part}.png" for part in FACE_PARTS}]
    if name.isdecimal():
        of_number = {part: celebamask_file(folder, int(name), part) for part in FACE_PARTS}
        candidates += [{part: folder / path.name for part, path in of_number.items()}, of_number]
    for files in candidates:
        if found := {part: path for part, path in files.items() if path.is_file()}:
            return found
    return {}


def read_mask(path: Path) -> np.ndarray:
    """A mask bool [H, W] from a picture.

    Inside is what `inside` says of the brightest channel, so that white, 1 and any colour on black will do; of a
    picture that is transparent in places it is what is not.

    Raises:
        DynastError: Where it cannot be read or is not one mask.
    """
    picture = _loaded(path)
    if picture.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in picture.info:
        alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
        if alpha.min() < alpha.max():
            return thinned(alpha > 127)
    if picture.mode[0] not in "IFL1" or picture.mode == "LAB":
        picture = picture.convert("RGB")
    levels = np.asarray(picture)
    return inside(thinned(levels if levels.ndim == 2 else levels[..., :3].max(axis=2)), str(path))


def read_label_map(path: Path) -> dict[str, np.ndarray]:
    """The masks, bool [H, W], of every part that a picture of labels shows (`label_map`), by part.

    Labels are grey levels or palette entries.

    Raises:
        DynastError: Where it cannot be read or is not a picture of labels.
    """
    picture = _loaded(path)
    if picture.format == "JPEG":
        raise DynastError(f"{path} is a JPEG, which blurs labels; save them as PNG")
    labels = np.asarray(picture)
    if labels.ndim == 3:
        if (labels[..., :3] != labels[..., :1]).any():
            raise DynastError(
                f"{path} is a picture in colours; a label map holds the number of a part in each pixel"
            )
        labels = labels[..., 0]
    if labels.dtype.kind not in "iu":
        raise DynastError(f"{path} holds no labels, which are whole numbers from 0")
    if not labels.any():
        return {}
    labels = thinned(labels)
    return parts_of(labels, order_of(labels, str(path)))


def _loaded(path: Path) -> Image:
    from PIL import Image

    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height <= _MOST_PIXELS:
                picture.load()
                return picture
    except Exception as error:  # whatever Pillow's decoders raise over what is in a file
        raise DynastError(f"{path}: no mask that can be read ({error})") from None
    raise DynastError(
        f"{path}: a mask of {picture.width}x{picture.height} pixels is too large; scale it down first"
    )


def common_size(masks: Mapping[str, np.ndarray], what: str) -> Size:
    """The size of one face's masks, by part; `what` names the masks in messages. Masks are `[H, W]`.

    Raises:
        DynastError: Where sizes differ.
    """
    sizes = {part: mask.shape for part, mask in masks.items()}
    if len(set(sizes.values())) > 1:
        stated = ", ".join(f"{part} {width}x{height}" for part, (height, width) in sizes.items())
        raise DynastError(f"{what} differ in size: {stated}")
    return Size(*next(iter(sizes.values())))


def check_covers(mask_size: Size, picture_size: Size, picture: str) -> None:
    """Check that masks and their picture have the same proportions, up to the rounding of a side.

    Raises:
        DynastError: Where they do not; `picture` names the picture.
    """
    (height, width), (full_height, full_width) = mask_size, picture_size
    if abs(height * full_width - width * full_height) >= max(picture_size):
        raise DynastError(
            f"{picture} is {full_width}x{full_height} and its masks are {width}x{height}: they must cover the same "
            "picture"
        )
