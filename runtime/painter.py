"""From a picture to the condition that the network sees, for every task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynast_deploy.conditions import face_condition, picture_tensor, pose_condition, style_condition
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import PoseSource
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.runtime.canvas import Canvas
from dynast_deploy.runtime.options import Fit

SMALLEST_SIDE = 16
"""Pixels; a picture smaller than this shows nothing that could be matched."""


@dataclass(frozen=True)
class Painted:
    """condition: uint8 `[S, H, W]`; keypoints: float32 `[18, 3]` in the picture's pixels, None but for poses."""

    condition: np.ndarray
    keypoints: np.ndarray | None = None


class Painter:
    """Draws conditions for one task and network size; a painter belongs to one video or one row of pictures.

    Poses come from `poses`. A frame in which nobody is seen keeps the pose of the frame before (`held` counts them);
    before the first person it shows an empty stage (`empty` counts those).
    """

    def __init__(
        self, task: Task, network_size: tuple[int, int], fit: Fit = Fit.PAD, poses: PoseSource | None = None
    ) -> None:
        """`network_size` is (height, width); `poses` is needed by `Task.POSE` alone."""
        if (poses is None) == (task is Task.POSE):
            raise ValueError("poses go with the pose task, and with no other")
        self.task, self.network_size, self.fit, self.poses = task, network_size, fit, poses
        self.held = self.empty = 0
        self._last_seen: np.ndarray | None = None

    def canvas(self, picture_size: tuple[int, int]) -> Canvas:
        """How a picture of (width, height) lies on the network's picture."""
        return Canvas.around(picture_size, self.network_size, self.fit)

    def paint(self, picture: np.ndarray, index: int) -> Painted:
        """The condition of picture number `index`, uint8 `[height, width, 3]` RGB."""
        canvas = self.canvas((picture.shape[1], picture.shape[0]))
        if self.task is Task.STYLE:
            return Painted(style_condition(canvas.place(picture), self.network_size))
        if self.task is Task.FACE:
            from dynast_deploy.keypoints.mediapipe_face import face_masks

            photo = canvas.place(picture)
            return Painted(face_condition(face_masks(photo), photo, self.network_size))
        assert self.poses is not None
        keypoints = self.poses.pose(index, picture)
        if is_seen(keypoints).any():
            self._last_seen = keypoints
        elif self._last_seen is not None:
            keypoints = self._last_seen
            self.held += 1
        else:
            self.empty += 1
        placed = canvas.place_keypoints(keypoints)
        return Painted(pose_condition(placed, canvas.size, self.network_size), keypoints)

    def exemplar(self, picture: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray]:
        """The exemplar `[1, 3, H, W]` float32 in -1..1 and its condition `[1, S, H, W]` uint8.

        Raises DynastError if the picture is tiny, or nobody is seen in it.
        """
        check_exemplar_size(picture, source)
        height, width = picture.shape[:2]
        painted = self.paint(picture, 0)
        if self.empty:
            raise DynastError(
                f"{source}: nobody is seen in the exemplar (poses: {self.poses.origin if self.poses else ''}); "
                "give its keypoints with --exemplar-poses or choose another picture"
            )
        tensor = picture_tensor(self.canvas((width, height)).place(picture), self.network_size)
        return tensor[None], painted.condition[None]


def check_exemplar_size(picture: np.ndarray, source: str) -> None:
    """DynastError if a picture uint8 `[H, W, 3]` is too small to lend its appearance."""
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise DynastError(
            f"{source}: the exemplar is {width}x{height} pixels; it needs {SMALLEST_SIDE} or more on each side"
        )


def task_of(task: Task | None, channels: int, source: str) -> Task:
    """The engine's task; DynastError if its conditions are of none that can be drawn."""
    task = task or Task.of_channels(channels)
    if task is None or task.semantic_nc != channels:
        kinds = ", ".join(f"{kind} ({kind.semantic_nc})" for kind in Task)
        raise DynastError(
            f"{source}: its conditions have {channels} channels, and can be drawn for {kinds} only"
        )
    return task
