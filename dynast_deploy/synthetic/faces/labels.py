"""Numbers of what a drawn face shows: layers in surface maps, parts in label maps."""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from dynast_deploy.conditions import FACE_PARTS


class FaceLayer(IntEnum):
    """The surface a pixel shows; 0 is the backdrop."""

    BACKDROP = 0
    HAIR_BACK = 1
    TORSO = 2
    LEFT_EAR = 3
    RIGHT_EAR = 4
    SKIN = 5
    EYES = 6
    MOUTH = 7
    HAIR = 8
    GLASSES = 9


PART_NUMBER = {part: number for number, part in enumerate(FACE_PARTS, start=1)}
"""The number of each part of a face in label maps; 0 is none of them."""

OTHER = len(FACE_PARTS) + 1
"""What is in the picture but is not a part of a face: neck, clothes."""


def among(layer: np.ndarray, *layers: FaceLayer) -> np.ndarray:
    """Where a map of layers (uint8 [...]) holds one of `layers`, bool [...]."""
    chosen = np.zeros(len(FaceLayer), bool)
    chosen[list(layers)] = True
    result: np.ndarray = chosen[layer]
    return result
