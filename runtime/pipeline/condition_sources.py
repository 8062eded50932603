"""One command's painters and the sources of poses or parts that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Literal

from dynast_deploy.condition_options import ChannelOrder, Crop, Fit
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import PartSource, parts_beside, resolve_parts
from dynast_deploy.keypoints import PoseSource, poses_beside, resolve_poses
from dynast_deploy.media.picture_names import has_picture_beside
from dynast_deploy.runtime.pipeline.condition_drawer import SOURCES, ConditionDrawer
from dynast_deploy.size import Size


class ConditionDrawers:
    """Makes the painters of one task and closes their sources on leaving; a context manager.

    Poses come as `keypoints.resolve_poses` says, parts of faces as `face_parts.resolve_parts`. Where `given` is asked
    for, it is the file or folder that the user named for what the task draws from: poses or parts.
    """

    def __init__(
        self,
        task: Task,
        network_size: Size,
        fit: Fit = Fit.PAD,
        pose_model: Path | None = None,
        channel_order: ChannelOrder = ChannelOrder.RGB,
        pose_score: float | None = None,
        crop: Crop = Crop.NONE,
    ) -> None:
        """Keypoints that score less than `pose_score` are not seen."""
        self.task, self.network_size, self.fit, self.pose_score = task, network_size, fit, pose_score
        self.pose_model, self.channel_order, self.crop = pose_model, channel_order, crop
        self._sources = ExitStack()

    def __enter__(self) -> ConditionDrawers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sources.close()

    def of_video(self, video: Path, given: Path | None) -> ConditionDrawer:
        """The painter of a video.

        Raises:
            DynastError: Where there are no poses or parts for it, or they cannot be read.
        """
        return self._painter(self._source(video, given))

    def of_picture(self, picture: Path, given: Path | None) -> ConditionDrawer:
        """The painter of one picture.

        Raises:
            DynastError: Where there are no poses or parts for it, or they cannot be read.
        """
        return self._painter(self._source(picture, given, [picture]))

    def of_exemplar(self, picture: Path, given: Path | None) -> ConditionDrawer:
        """The painter of an exemplar, which has options of its own.

        Raises:
            DynastError: Where there are no poses or parts for it, or they cannot be read.
        """
        return self._painter(self._source(picture, given, [picture], "--exemplar-"))

    def of_pictures(
        self, pictures: Sequence[Path], given: Path | None
    ) -> Callable[[Path], tuple[ConditionDrawer, int]]:
        """For each of several pictures its own painter, and the number under which that knows it.

        `given` is a folder with masks of each picture by its name, or holds poses by the names of `pictures`, or one
        pose or mask for each of them in their order; without it the file beside each picture is used where it is the
        picture's own, and the same estimator for all that have none.

        Raises:
            DynastError: Where the poses or parts given cannot be read, or are not for these pictures; what it returns
                raises it for a picture that has none.
        """
        if self.task not in SOURCES:
            return lambda _: (self._painter(None), 0)
        if given is not None and self.task is Task.FACE and given.is_dir():
            return lambda picture: (self.of_picture(picture, given), 0)
        if given is not None:
            shared = self._source(pictures[0], given, pictures)
            numbers = {picture: number for number, picture in enumerate(pictures)}
            return lambda picture: (self._painter(shared), numbers[picture])
        estimators: list[PoseSource | PartSource | None] = []

        def of_picture(picture: Path) -> tuple[ConditionDrawer, int]:
            if self._has_own_file(picture):
                return self.of_picture(picture, None), 0
            if not estimators:
                estimators.append(self._source(picture, None, [picture]))
            estimator = estimators[0]
            if isinstance(estimator, PoseSource):
                estimator.restart()
            return self._painter(estimator), 0

        return of_picture

    def _has_own_file(self, picture: Path) -> bool:
        if self.task is Task.POSE:
            return self.pose_model is None and poses_beside(picture, is_picture=True) is not None
        beside = parts_beside(picture, is_picture=True)
        if beside is not None:
            beside.close()
        return beside is not None

    def _source(
        self, media: Path, given: Path | None, pictures: Sequence[Path] | None = None, prefix: str = "--"
    ) -> PoseSource | PartSource | None:
        if self.task not in SOURCES:
            return None
        option = prefix + SOURCES[self.task].words.option
        shares_name = pictures is None and has_picture_beside(media)
        if self.task is Task.FACE:
            return self._sources.enter_context(resolve_parts(media, given, option, pictures, shares_name))
        order: Literal["rgb", "bgr"] = self.channel_order.value
        score = self.pose_score
        return self._sources.enter_context(
            resolve_poses(media, given, self.pose_model, order, option, pictures, shares_name, score)
        )

    def _painter(self, source: PoseSource | PartSource | None) -> ConditionDrawer:
        return ConditionDrawer(self.task, self.network_size, self.fit, source, self.crop)


def check_options(task: Task, engine: str, of_poses: Iterable[object], of_parts: Iterable[object]) -> None:
    """Check options against the engine's task; `engine` is the engine's name in messages.

    Raises:
        DynastError: Where values of options name poses or parts, and conditions of this task need none.
    """
    if task is not Task.POSE and any(of_poses):
        raise DynastError(
            f"{engine} draws from {task} conditions, which have no keypoints; leave pose options out"
        )
    if task is not Task.FACE and any(of_parts):
        raise DynastError(
            f"{engine} draws from {task} conditions, which have no parts of a face; leave --parts and "
            "--exemplar-parts out"
        )


def check_crop(task: Task, engine: str, crop: Crop) -> None:
    """Check `--crop` against the engine's task; `engine` is the engine's name in messages.

    Raises:
        DynastError: Where people are to be cropped around, and conditions of this task show none.
    """
    if crop is Crop.PERSON and task is not Task.POSE:
        raise DynastError(f"{engine} draws from {task} conditions, which show no keypoints; leave --crop out")
