"""Poses: conditions are drawn from a person's keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from dynast_deploy.condition_options import ConditionOptions, Crop
from dynast_deploy.conditions import pose_condition
from dynast_deploy.conditions.crop import Box, BoxFollower, steady_boxes
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import PoseSource, find_sidecar, poses_beside, resolve_poses
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.objective.config import SUPERVISED
from dynast_deploy.size import Size
from dynast_deploy.tasks.drawing import Drawing, DrawnCondition, Placement
from dynast_deploy.tasks.spec import SourceSpec, TaskSpec

if TYPE_CHECKING:
    from dynast_deploy.data.augment import Augmentation
    from dynast_deploy.data.sample import SampleStream

SMALLEST_PERSON = 16
"""Pixels; an exemplar whose person is smaller shows nothing that could be matched."""

FILLED = 0.9
"""An exemplar whose box is higher than this share of its picture is left as it is."""


class PoseDrawing(Drawing[PoseSource]):
    """Draws skeletons. With `Crop.PERSON` a picture is what a steady box around the person shows."""

    crops = True

    def __init__(self, placement: Placement, source: PoseSource) -> None:
        super().__init__(placement, source)
        self._last: np.ndarray | None = None
        self._follower: BoxFollower | None = None
        self._boxes: list[Box] | None = None

    def look_ahead(self, picture_size: Size) -> None:
        """Compute the boxes of all frames of a video of this size, where its poses are known beforehand."""
        if self.placement.crop is Crop.PERSON:
            track = self.source.track(picture_size)
            if track is not None:
                self._boxes = steady_boxes(track, picture_size, self._aspect)

    def draw(self, picture: np.ndarray, index: int) -> DrawnCondition:
        """The condition of frame `index`, see `Drawing.draw`.

        Raises:
            DynastError: Where there is no pose for the frame.
        """
        pose = self.source.pose(index, picture)
        keypoints, empty = self.or_last(pose, bool(is_seen(pose).any()), self._last)
        self._last = None if empty else keypoints
        box = None
        if self.placement.crop is Crop.PERSON:
            box = self._box(keypoints, Size.of(picture), index)
        return self._drawn(keypoints, empty, picture, box)

    def draw_exemplar(self, picture: np.ndarray, source: str) -> DrawnCondition:
        """The condition of an exemplar, see `Drawing.draw_exemplar`.

        A person who fills the picture is not cropped: the box would show what is not in the picture.

        Raises:
            DynastError: Where there is no pose for it, or the person to be cropped around is tiny.
        """
        drawn = self.draw(picture, 0)
        if drawn.box is None or drawn.empty:
            return drawn
        if drawn.box.height < SMALLEST_PERSON:
            raise DynastError(
                f"{source}: the person in the exemplar is {drawn.box.height:.0f} pixels high, which is too small; "
                "choose a picture that shows more of them"
            )
        if drawn.box.height >= FILLED * self.placement.canvas(Size.of(picture)).size.height:
            assert drawn.keypoints is not None
            return self._drawn(drawn.keypoints, False, picture, None)
        return drawn

    def _drawn(
        self, keypoints: np.ndarray, empty: bool, picture: np.ndarray, box: Box | None
    ) -> DrawnCondition:
        network = self.placement.network_size
        if box is not None:
            placed = box.place_keypoints(keypoints, network)
            condition = pose_condition(placed, network.width_height, network)
            return DrawnCondition(condition, keypoints, empty, box)
        canvas = self.placement.canvas(Size.of(picture))
        placed, size = canvas.place_keypoints(keypoints), canvas.drawn.size
        if self.placement.crop is Crop.PERSON:
            # As thick as in the boxes of the frames, whatever the size of the picture.
            placed = placed * np.array([network.width / size.width, network.height / size.height, 1])
            size = network
        return DrawnCondition(pose_condition(placed, size.width_height, network), keypoints, empty)

    @property
    def _aspect(self) -> float:
        """Width of a box for each unit of its height."""
        return self.placement.network_size.width / self.placement.network_size.height

    def _box(self, pose: np.ndarray, picture_size: Size, index: int) -> Box:
        if self._boxes is not None:
            return self._boxes[min(index, len(self._boxes) - 1)]
        if self._follower is None:
            self._follower = BoxFollower(picture_size, self._aspect)
        return self._follower.box(pose)


def _open(
    media: Path,
    given: Path | None,
    options: ConditionOptions,
    option: str,
    pictures: Sequence[Path] | None,
    shares_name: bool,
) -> PoseSource:
    order: Literal["rgb", "bgr"] = options.pose_channels.value
    return resolve_poses(
        media, given, options.pose_model, order, option, pictures, shares_name, options.pose_score
    )


def _has_own_file(picture: Path, options: ConditionOptions) -> bool:
    return options.pose_model is None and poses_beside(picture, is_picture=True) is not None


def _drawn_data(size: int, seed: int, held_out: bool) -> SampleStream:
    from dynast_deploy.data.marionette_poses import MarionettePoses

    return MarionettePoses(size, seed, held_out)


def _folder_data(
    folder: Path, size: int, seed: int, held_out: bool, augmentation: Augmentation
) -> SampleStream:
    from dynast_deploy.data.deepfashion import DeepFashion

    return DeepFashion(folder, size, seed, held_out, augmentation)


SPEC = TaskSpec(
    drawing=PoseDrawing,
    source=SourceSpec(
        kind=PoseSource,
        options=("poses", "exemplar_poses", "pose_model", "pose_score", "save_poses"),
        absent="no keypoints; leave pose options out",
        open=_open,
        find_beside=find_sidecar,
        has_own_file=_has_own_file,
    ),
    preview=(0, 1, 2),
    shipped="marionette",
    drawn_data=_drawn_data,
    folder_data=_folder_data,
    objective={**SUPERVISED, "contextual": 0.01, "style": 0.01, "palette": 1.0},
)
