"""What depends on how parts overlap: soft contact shadows and thin dark outlines."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.marionette.parts import Part

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
GROUP_OF = np.zeros(max(Part) + 1, np.uint8)
for _part, _group in _GROUPS.items():
    GROUP_OF[_part] = _group

_OUTLINE = 0.42
_CONTACT = 0.5


def shade(group: np.ndarray, rank: np.ndarray, oversampling: int) -> np.ndarray:
    """Factors float32 [H, W] to darken a canvas by.

    `group` uint8 [H, W] tells parts apart by `GROUP_OF`; `rank` uint8 [H, W] is 0 behind the figure and grows
    towards the viewer. A pixel with nearer parts around it lies in their shadow.
    """
    kernel = np.ones((3, 3), np.uint8)
    edge = cv2.dilate(group, kernel) != cv2.erode(group, kernel)
    line = cv2.blur(edge.astype(np.float32), (2, 2))
    small = cv2.resize(rank, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_NEAREST).astype(np.float32)
    reach = max(3, small.shape[0] // 26) | 1
    near = cv2.blur(cv2.blur(small, (reach, reach)), (reach, reach))
    depth = np.clip((near - small) / 14.0, 0, 0.5) * (small > 0)
    contact = cv2.resize(depth, (rank.shape[1], rank.shape[0]), interpolation=cv2.INTER_LINEAR)
    return (1 - _OUTLINE * line) * (1 - _CONTACT * contact)
