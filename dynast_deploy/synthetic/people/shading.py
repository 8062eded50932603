"""What depends on how parts overlap: soft contact shadows and thin dark outlines."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.raster import Raster

# Parts of one group meet without an outline.
_GROUPS = {
    Part.HAIR_BACK: 1,
    Part.HAIR_TAIL: 1,
    Part.NECK: 2,
    Part.TORSO: 3,
    Part.PELVIS: 4,
    Part.SKIRT: 5,
    Part.HEAD: 6,
    Part.RIGHT_EAR: 7,
    Part.LEFT_EAR: 8,
    Part.HAIR: 9,
    Part.HAT: 10,
    Part.RIGHT_ARM: 11,
    Part.RIGHT_HAND: 11,
    Part.RIGHT_THUMB: 12,
    Part.LEFT_ARM: 13,
    Part.LEFT_HAND: 13,
    Part.LEFT_THUMB: 14,
    Part.RIGHT_SLEEVE: 15,
    Part.LEFT_SLEEVE: 16,
    Part.RIGHT_LEG: 17,
    Part.LEFT_LEG: 18,
    Part.RIGHT_TROUSER: 19,
    Part.LEFT_TROUSER: 20,
    Part.RIGHT_SHOE: 21,
    Part.LEFT_SHOE: 22,
}
_GROUP_OF = np.zeros(max(Part) + 1, np.uint8)
for _part, _group in _GROUPS.items():
    _GROUP_OF[_part] = _group

_OUTLINE = 0.40
_CONTACT = 0.42


def shade(picture: np.ndarray, raster: Raster, origin: tuple[int, int]) -> np.ndarray:
    """The picture, uint8 [H, W, 3], shaded; it is the raster's canvas from `origin` (y, x) on."""
    h, w = picture.shape[:2]
    index = raster.index[origin[0] : origin[0] + h, origin[1] : origin[1] + w]
    own = np.concatenate([[np.uint8(0)], _GROUP_OF[raster.part]])[index]
    enclosed = np.concatenate([[np.uint8(0)], _GROUP_OF[raster.owner]])[index]
    # Only where both differ: where a sleeve parts from the torso it still is one sleeve.
    edge = (_edges(own) & _edges(enclosed)).astype(np.float32)
    rank = np.concatenate([[np.float32(0)], raster.rank])[index[::2, ::2]]
    contact = _contact(rank, raster.index.shape[0] // 52, (h, w))
    factor = (1 - _OUTLINE * cv2.blur(edge, (2, 2))) * (1 - _CONTACT * contact)
    result: np.ndarray = (picture * factor[..., None] + 0.5).astype(np.uint8)
    return result


def _edges(group: np.ndarray) -> np.ndarray:
    """Where a group meets another: bool [H, W], a pixel to both sides."""
    kernel = np.ones((3, 3), np.uint8)
    result: np.ndarray = cv2.dilate(group, kernel) != cv2.erode(group, kernel)
    return result


def _contact(rank: np.ndarray, reach: int, shape: tuple[int, int]) -> np.ndarray:
    """Shadow 0..1, enlarged to `shape`, on what has nearer parts within `reach`; `rank` is 0 behind the
    figure and grows towards the viewer."""
    box = (max(3, reach) | 1,) * 2
    near = cv2.blur(cv2.blur(rank, box), box)
    depth = np.clip((near - rank) / 16.0, 0, 0.4) * (rank > 0)
    result: np.ndarray = cv2.resize(depth, shape[::-1], interpolation=cv2.INTER_LINEAR)
    return result
