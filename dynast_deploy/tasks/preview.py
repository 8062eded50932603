"""A condition as a picture for people: what the network is told to draw."""

from __future__ import annotations

import numpy as np

from dynast_deploy.conditions.face import FACE_CHANNELS
from dynast_deploy.conditions.pose import POSE_CHANNELS
from dynast_deploy.errors import DynastError

STYLE_CHANNELS = 3


def draw_condition(condition: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] in RGB from a condition, uint8 [S, H, W].

    Shows the drawn skeleton of a pose (S = 20), all edges of a face (S = 15, white on black) or the content
    picture of style transfer (S = 3). Raises DynastError for any other array.
    """
    array = np.asarray(condition)
    if array.dtype != np.uint8 or array.ndim != 3:
        raise DynastError(
            f"condition is {array.dtype} {list(array.shape)}; uint8 [channels, height, width] is wanted"
        )
    channels = len(array)
    if channels in (POSE_CHANNELS, STYLE_CHANNELS):
        planes = array[:3]
    elif channels == FACE_CHANNELS:
        planes = array[[0, 0, 0]]
    else:
        raise DynastError(
            f"condition has {channels} channels; a pose has {POSE_CHANNELS}, a face {FACE_CHANNELS}, "
            f"style transfer {STYLE_CHANNELS}"
        )
    return np.ascontiguousarray(planes.transpose(1, 2, 0))
