"""The face condition: edges of the face's parts and of the background, and one distance map for each part."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from PIL import Image

from dynast_deploy.conditions.distance import FAR, PixelBox, write_distance_map
from dynast_deploy.conditions.edges import canny_edges
from dynast_deploy.conditions.picture import checked_photo
from dynast_deploy.errors import DynastError
from dynast_deploy.size import AnySize, checked_size

# fmt: off
FACE_PARTS = (
    "skin", "l_brow", "r_brow", "l_eye", "r_eye", "l_ear", "r_ear", "nose", "u_lip", "mouth", "l_lip",
    "eye_g", "hair",
)
# fmt: on
"""Parts of a face by CelebAMask-HQ's names, in the order in which their distance maps are stacked."""

FACE_CHANNELS = len(FACE_PARTS) + 2


def face_condition(masks: Mapping[str, np.ndarray], photo: np.ndarray, size: AnySize = 256) -> np.ndarray:
    """The 15 channels that the network sees of one face.

    Args:
        masks: Part name (of `FACE_PARTS`) to its mask, bool or integer [H, W], non-zero inside the part.
            Parts that cannot be seen are left out. Masks may have another size than the photo; they cover
            all of it.
        photo: uint8 [H, W, 3], RGB: gives the edges outside the face.
        size: Size of the condition: an integer for a square, or (height, width).

    Returns:
        uint8 [15, H, W], 0..255 for the network's 0..1: all edges (255 on an edge); for each part the
        distance to its outline (city-block pixels divided by 3; 255 where the part is missing); the parts'
        edges alone.

    Raises:
        DynastError: For a part of another name, or an array that is not a mask or not a picture.
    """
    height, width = checked_size(size)
    picture = Image.fromarray(checked_photo(photo)).resize((width, height), Image.Resampling.BILINEAR)
    check_part_names(masks)

    condition = np.empty((FACE_CHANNELS, height, width), np.uint8)
    part_edges = np.zeros((height, width), bool)
    background = np.ones((height, width), bool)
    for part, distance_map in zip(FACE_PARTS, condition[1:-1], strict=True):
        if part not in masks:
            distance_map.fill(FAR)
            continue
        inside = _resized_mask(masks[part], part, height, width)
        # Hair comes last, so its texture is drawn even where it lies over the skin.
        background[inside] = part == "hair"
        outline = _outline(inside)
        part_edges |= outline
        _write_outline_distance(outline, distance_map)

    texture = canny_edges(np.asarray(picture.convert("L"))) & background
    np.multiply(part_edges | texture, np.uint8(255), out=condition[0])
    np.multiply(part_edges, np.uint8(255), out=condition[-1])
    return condition


def check_part_names(names: Iterable[str], source: str = "") -> None:
    """Check that all names are in `FACE_PARTS`.

    Raises:
        DynastError: Where one is not; its message begins with `source`.
    """
    unknown = sorted(set(names) - set(FACE_PARTS))
    if unknown:
        raise DynastError(
            f"{source}no part of a face: {', '.join(unknown)}; the parts are {', '.join(FACE_PARTS)}"
        )


def _resized_mask(mask: np.ndarray, part: str, height: int, width: int) -> np.ndarray:
    array = np.asarray(mask)
    if array.dtype.kind not in "biu" or array.ndim != 2 or array.size == 0:
        raise DynastError(
            f"mask of {part} is {array.dtype} {list(array.shape)}; integers [height, width] are wanted"
        )
    inside = Image.fromarray((array != 0).view(np.uint8))
    resized: np.ndarray = np.asarray(inside.resize((width, height), Image.Resampling.NEAREST)) != 0
    return resized


def _outline(inside: np.ndarray) -> np.ndarray:
    """bool [H, W]: pixels with a neighbour above, below, left or right on the other side of the boundary."""
    outline = np.zeros_like(inside)
    across = inside[:, 1:] != inside[:, :-1]
    down = inside[1:] != inside[:-1]
    outline[:, 1:] |= across
    outline[:, :-1] |= across
    outline[1:] |= down
    outline[:-1] |= down
    return outline


def _write_outline_distance(outline: np.ndarray, out: np.ndarray) -> None:
    rows, columns = np.flatnonzero(outline.any(axis=1)), np.flatnonzero(outline.any(axis=0))
    if not len(rows):
        out.fill(FAR)
        return
    box = PixelBox(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    drawn = outline[box.top : box.bottom, box.left : box.right]
    write_distance_map((~drawn).view(np.uint8), box, out)
