"""Masks as pictures, one a part, in CelebAMask-HQ's manner: `00012_skin.png`, `00012_nose.png`, ..."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.errors import DynastError

_FACES_IN_A_FOLDER = 2000


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
    """bool [H, W] from a picture, white inside the part; raises DynastError where it cannot be read."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return np.asarray(picture.convert("L")) > 127
    except (OSError, SyntaxError, ValueError) as error:
        raise DynastError(f"{path}: no mask that can be read ({error})") from None


def common_size(masks: Mapping[str, np.ndarray], what: str) -> tuple[int, int]:
    """(width, height) of one face's masks; raises DynastError where they differ. `what` names the masks."""
    sizes = {part: mask.shape for part, mask in masks.items()}
    if len(set(sizes.values())) > 1:
        stated = ", ".join(f"{part} {width}x{height}" for part, (height, width) in sizes.items())
        raise DynastError(f"{what} differ in size: {stated}")
    height, width = next(iter(sizes.values()))
    return width, height


def check_covers(mask_size: tuple[int, int], picture_size: tuple[int, int], picture: str) -> None:
    """Raise a DynastError unless sizes (width, height) have the same proportions, up to the rounding of a side."""
    (width, height), (full_width, full_height) = mask_size, picture_size
    if abs(height * full_width - width * full_height) >= max(picture_size):
        raise DynastError(
            f"{picture} is {full_width}x{full_height} and its masks are {width}x{height}: they must cover the same "
            "picture"
        )
