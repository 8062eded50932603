"""From a picture to the condition that the network sees, for every task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dynast_deploy.condition_options import Crop, Fit
from dynast_deploy.conditions import face_condition, picture_tensor, pose_condition, style_condition
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import PartSource
from dynast_deploy.keypoints import PoseSource
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.conditions.canvas import Canvas
from dynast_deploy.conditions.crop import Box, BoxFollower, steady_boxes
from dynast_deploy.size import Size

T = TypeVar("T")

SOURCES: Mapping[Task, type[PoseSource] | type[PartSource]] = {Task.POSE: PoseSource, Task.FACE: PartSource}
"""What the conditions of a task are drawn from, beside the picture itself."""

SMALLEST_SIDE = 16
"""Pixels; a picture smaller than this shows nothing that could be matched."""

FILLED = 0.9
"""An exemplar whose box is higher than this share of its picture is left as it is."""


@dataclass(frozen=True)
class Painted:
    """condition: uint8 `[S, H, W]`; keypoints: float32 `[18, 3]` in the picture's pixels, None but for poses; empty:
    whether no person is in it; box: the part of the picture that the condition shows, None where that is all of it."""

    condition: np.ndarray
    keypoints: np.ndarray | None = None
    empty: bool = False
    box: Box | None = None


class _Placed(Mapping[str, np.ndarray]):
    """Masks on their canvases, each placed when it is asked for: of large ones a single one is in memory."""

    def __init__(self, masks: Mapping[str, np.ndarray], canvas: Callable[[Size], Canvas]) -> None:
        self._masks, self._canvas = masks, canvas

    def __getitem__(self, part: str) -> np.ndarray:
        mask = self._masks[part]
        return self._canvas(Size.of(mask)).place(mask.astype(np.uint8))

    def __contains__(self, part: object) -> bool:
        return part in self._masks

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)


class ConditionDrawer:
    """Draws conditions for one task and network size; a painter belongs to one video or one row of pictures.

    Poses and parts of faces come from `source`. A frame in which no person is detected keeps the pose or face of the
    frame before (`held` counts them); before the first person the condition shows none (`empty` counts those).

    With `Crop.PERSON` a picture is what a steady box around the person shows (`crop`), in the network's shape.
    """

    def __init__(
        self,
        task: Task,
        network_size: Size,
        fit: Fit = Fit.PAD,
        source: PoseSource | PartSource | None = None,
        crop: Crop = Crop.NONE,
    ) -> None:
        """`source` is of the kind that `SOURCES` says, None for `Task.STYLE`.

        Raises:
            ValueError: For a source of another kind, or a crop around people where there are none.
        """
        if not isinstance(source, SOURCES.get(task, type(None))):
            raise ValueError(f"the source of {task} conditions is no {type(source).__name__}")
        if crop is Crop.PERSON and task is not Task.POSE:
            raise ValueError(f"{task} conditions show no person to crop around")
        self.task, self.network_size, self.fit, self.source, self.crop = task, network_size, fit, source, crop
        self.held = self.empty = 0
        self._last_pose: np.ndarray | None = None
        self._last_face: dict[str, np.ndarray] | None = None
        self._follower: BoxFollower | None = None
        self._boxes: list[Box] | None = None

    def look_ahead(self, picture_size: Size) -> None:
        """Lay the boxes for all frames of a video of this size, where its poses are known beforehand.

        Raises:
            DynastError: Where the poses do not fit pictures of this size.
        """
        if self.crop is Crop.PERSON and isinstance(self.source, PoseSource):
            track = self.source.track(picture_size)
            if track is not None:
                self._boxes = steady_boxes(track, picture_size, self._aspect)

    def shown_size(self, picture_size: Size) -> Size:
        """The size of what is rendered of a picture of this size: all of it, or the box."""
        return picture_size if self.crop is Crop.NONE else self.network_size

    def shown(self, picture: np.ndarray, painted: Painted) -> np.ndarray:
        """What is rendered of a picture uint8 `[h, w, 3]`: all of it, or its box at the network's size."""
        return picture if painted.box is None else painted.box.cut(picture, self.network_size)

    def canvas(self, picture_size: Size) -> Canvas:
        """How a picture of this size, of `shown_size` where it is cropped, lies on the network's picture."""
        return Canvas.around(picture_size, self.network_size, self.fit)

    def paint(self, picture: np.ndarray, index: int) -> Painted:
        """The condition of picture number `index`, uint8 `[height, width, 3]` RGB.

        Raises:
            DynastError: Where there are no poses or parts for it, or they do not fit the picture.
        """
        if isinstance(self.source, PoseSource):
            return self._paint_pose(self.source.pose(index, picture), picture, index)
        placed = self.canvas(Size.of(picture)).place(picture)
        if isinstance(self.source, PartSource):
            return self._paint_face(self.source.masks(index, picture), placed)
        return Painted(style_condition(placed, self.network_size))

    def exemplar(self, picture: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray]:
        """The exemplar `[1, 3, H, W]` float32 in -1..1 and its condition `[1, S, H, W]` uint8.

        A person who fills the picture is not cropped: the box would show what is not in the picture.

        Raises:
            DynastError: Where the picture is tiny, no person is detected in it, or the person that is to be cropped
                around is tiny.
        """
        check_exemplar_size(picture, source)
        size = Size.of(picture)
        painted = self.paint(picture, 0)
        if painted.empty and self.source is not None:
            words = self.source.words
            raise DynastError(
                f"{source}: {words.absent} detected in the exemplar ({words.option}: {self.source.origin}); "
                f"give its {words.wanted} with --exemplar-{words.option} or choose another picture"
            )
        if painted.box is not None and painted.box.height < SMALLEST_SIDE:
            raise DynastError(
                f"{source}: the person in the exemplar is {painted.box.height:.0f} pixels high, and lends nothing; "
                "choose a picture that shows more of them"
            )
        if painted.box is not None and painted.box.height >= FILLED * self.canvas(size).size.height:
            assert painted.keypoints is not None
            painted = self._drawn(painted.keypoints, False, picture, None)
        shown = self.canvas(size).place(picture) if painted.box is None else self.shown(picture, painted)
        tensor = picture_tensor(shown, self.network_size)
        return tensor[None], painted.condition[None]

    @property
    def note(self) -> str | None:
        """One line on what the source leaves out."""
        return self.source.note if self.source is not None else None

    def check_frames(self, frames: int) -> None:
        """Compare a file of poses or parts with a video.

        Raises:
            DynastError: Where it is for another number of frames than the `frames` of the video.
        """
        if self.source is not None:
            self.source.check_frames(frames)

    def _paint_pose(self, pose: np.ndarray, picture: np.ndarray, index: int) -> Painted:
        keypoints, empty = self._or_last(pose, bool(is_seen(pose).any()), self._last_pose)
        self._last_pose = None if empty else keypoints
        box = None
        if self.crop is Crop.PERSON:
            box = self._box(keypoints, Size.of(picture), index)
        return self._drawn(keypoints, empty, picture, box)

    def _drawn(self, keypoints: np.ndarray, empty: bool, picture: np.ndarray, box: Box | None) -> Painted:
        if box is not None:
            placed = box.place_keypoints(keypoints, self.network_size)
            condition = pose_condition(placed, self.network_size.width_height, self.network_size)
            return Painted(condition, keypoints, empty, box)
        canvas = self.canvas(Size.of(picture))
        placed, size = canvas.place_keypoints(keypoints), canvas.drawn.size
        if self.crop is Crop.PERSON:
            # As thick as in the boxes of the frames, whatever the size of the picture.
            network = self.network_size
            placed = placed * np.array([network.width / size.width, network.height / size.height, 1])
            size = network
        return Painted(pose_condition(placed, size.width_height, self.network_size), keypoints, empty)

    @property
    def _aspect(self) -> float:
        """Width of a box for each unit of its height."""
        return self.network_size.width / self.network_size.height

    def _box(self, pose: np.ndarray, picture_size: Size, index: int) -> Box:
        if self._boxes is not None:
            return self._boxes[min(index, len(self._boxes) - 1)]
        if self._follower is None:
            self._follower = BoxFollower(picture_size, self._aspect)
        return self._follower.box(pose)

    def _paint_face(self, masks: dict[str, np.ndarray], photo: np.ndarray) -> Painted:
        """`photo` has its margin already. Masks may be of another size, and then lie on a canvas of their own."""
        masks, empty = self._or_last(masks, bool(masks), self._last_face)
        self._last_face = None if empty else masks
        return Painted(face_condition(_Placed(masks, self.canvas), photo, self.network_size), empty=empty)

    def _or_last(self, found: T, seen: bool, last: T | None) -> tuple[T, bool]:
        """What was found, or what was seen last instead; and whether there is neither."""
        if seen:
            return found, False
        if last is not None:
            self.held += 1
            return last, False
        self.empty += 1
        return found, True


def check_exemplar_size(picture: np.ndarray, source: str) -> None:
    """Make sure of an exemplar, uint8 `[H, W, 3]`, that messages call `source`.

    Raises:
        DynastError: Where it is too small to lend its appearance.
    """
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise DynastError(
            f"{source}: the exemplar is {width}x{height} pixels; it needs {SMALLEST_SIDE} or more on each side"
        )


def task_of(task: Task | None, channels: int, source: str) -> Task:
    """The task of an engine whose file states `task` and whose conditions have so many channels.

    Raises:
        DynastError: Where no task that is known has such conditions.
    """
    task = task or Task.of_channels(channels)
    if task is None or task.semantic_nc != channels:
        kinds = ", ".join(f"{kind} ({kind.semantic_nc})" for kind in Task)
        raise DynastError(
            f"{source}: its conditions have {channels} channels, and can be drawn for {kinds} only"
        )
    return task
