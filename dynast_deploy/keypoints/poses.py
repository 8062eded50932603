"""Poses in memory: one person, one row of 18 keypoints a frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.size import Size

# fmt: off
KEYPOINT_NAMES = (
    "nose", "neck", "right shoulder", "right elbow", "right wrist", "left shoulder", "left elbow",
    "left wrist", "right hip", "right knee", "right ankle", "left hip", "left knee", "left ankle",
    "right eye", "left eye", "right ear", "left ear",
)
# fmt: on
"""OpenPose's 18 keypoints (its COCO model) in order; right and left are the person's own."""

FARTHEST = 1e9
"""Coordinates and scores beyond this, in either direction, are a mistake of the tool that wrote them."""

RELATIVE = Size(1, 1)
"""Picture size of poses whose coordinates are fractions of the picture."""


@dataclass(frozen=True, eq=False)
class Poses:
    """The poses of one person in a picture (one frame) or a video.

    Attributes:
        keypoints: float32 [T, 18, 3]: x, y in pixels with the origin in the picture's top left corner, and a
            score above 0. A keypoint that was not seen is (NaN, NaN, 0); a frame without a person is 18 of
            those.
        picture_size: Size of the picture that the pixels belong to, where the source states it; `RELATIVE` where
            the coordinates are fractions of the picture.
    """

    keypoints: np.ndarray
    picture_size: Size | None = None

    def __post_init__(self) -> None:
        if self.keypoints.ndim != 3 or self.keypoints.shape[1:] != (len(KEYPOINT_NAMES), 3):
            raise DynastError(f"poses are {list(self.keypoints.shape)}; [frames, 18, 3] is wanted")
        object.__setattr__(self, "keypoints", canonical(self.keypoints))

    def __len__(self) -> int:
        return len(self.keypoints)

    def scaled_to(self, picture_size: Size) -> Poses:
        """The same poses in pixels of a picture of this size.

        Poses that do not state their picture's size are taken to be in these pixels already.
        """
        if self.picture_size in (None, picture_size):
            return Poses(self.keypoints, picture_size)
        return Poses(self.keypoints * _scale(self.picture_size, picture_size), picture_size)


def _scale(old: Size | None, new: Size) -> np.ndarray:
    assert old is not None
    return np.array([new.width / old.width, new.height / old.height, 1], np.float32)


def canonical(keypoints: np.ndarray) -> np.ndarray:
    """Float [..., 18, 3] as float32 in which every keypoint that was not seen is (NaN, NaN, 0).

    Not seen is a keypoint whose x, y or score is NaN or whose score is not above 0.
    """
    points = np.array(keypoints, np.float32)
    points[~(~np.isnan(points[..., :2]).any(axis=-1) & (points[..., 2] > 0))] = (np.nan, np.nan, 0)
    return points


def was_not_found(points: np.ndarray) -> np.ndarray:
    """Bool [...] from points [..., 3]: what tools write for those that they did not find, NaN, (0, 0) or (-1, -1)."""
    x, y = points[..., 0], points[..., 1]
    not_found: np.ndarray = np.isnan(points).any(axis=-1) | ((x == y) & ((x == 0) | (x == -1)))
    return not_found


def no_person() -> np.ndarray:
    """Float32 [18, 3]: the pose of a frame without a person."""
    return canonical(np.zeros((len(KEYPOINT_NAMES), 3)))


def is_seen(keypoints: np.ndarray) -> np.ndarray:
    """Bool [..., 18] from canonical keypoints [..., 18, 3]."""
    return keypoints[..., 2] > 0
