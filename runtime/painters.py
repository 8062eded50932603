"""One command's painters and the pose sources they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from dynast_deploy.config import Task
from dynast_deploy.keypoints import PoseSource, check_frame_count, find_sidecar, resolve_poses
from dynast_deploy.runtime.options import ChannelOrder, Fit
from dynast_deploy.runtime.painter import Painter


class Painters:
    """Makes the painters of one task and closes their pose sources on leaving; a context manager."""

    def __init__(
        self,
        task: Task,
        network_size: tuple[int, int],
        fit: Fit = Fit.PAD,
        pose_model: Path | None = None,
        channel_order: ChannelOrder = ChannelOrder.RGB,
    ) -> None:
        """`network_size` is (height, width). Poses come as `keypoints.resolve_poses` says."""
        self.task, self.network_size, self.fit = task, network_size, fit
        self.pose_model, self.channel_order = pose_model, channel_order
        self._sources = ExitStack()

    def __enter__(self) -> Painters:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sources.close()

    def of(self, media: Path, poses: Path | None, option: str = "--poses") -> Painter:
        """The painter of one video or picture; `option` is what would name its poses on the command line."""
        return self._painter(self._source(media, poses, option))

    def of_pictures(
        self, pictures: Sequence[Path], poses: Path | None
    ) -> Callable[[Path], tuple[Painter, int]]:
        """For each of several pictures its own painter, and the number under which that knows it.

        `poses` holds one pose for each of `pictures`, in their order; without it each picture's sidecar is used, and
        the same estimator for all pictures that have none.
        """
        if self.task is not Task.POSE:
            return lambda _: (self._painter(None), 0)
        if poses is not None:
            shared = self._source(pictures[0], poses)
            assert shared is not None
            if shared.poses is not None:
                check_frame_count(shared.poses, len(pictures), shared.origin)
            numbers = {picture: number for number, picture in enumerate(pictures)}
            return lambda picture: (self._painter(shared), numbers[picture])
        estimators: list[PoseSource | None] = []

        def of_picture(picture: Path) -> tuple[Painter, int]:
            if find_sidecar(picture) is not None:
                return self.of(picture, None), 0
            if not estimators:
                estimators.append(self._source(picture, None))
            return self._painter(estimators[0]), 0

        return of_picture

    def _source(self, media: Path, poses: Path | None, option: str = "--poses") -> PoseSource | None:
        if self.task is not Task.POSE:
            return None
        source = resolve_poses(media, poses, self.pose_model, self.channel_order.value, option)
        return self._sources.enter_context(source)

    def _painter(self, source: PoseSource | None) -> Painter:
        return Painter(self.task, self.network_size, self.fit, source)
