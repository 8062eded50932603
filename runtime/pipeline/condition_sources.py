"""The condition drawers of one command and the sources that they share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from types import TracebackType
from typing import Any

from dynast_deploy.condition_input import ConditionInput
from dynast_deploy.condition_options import ConditionOptions, Crop
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_names import has_picture_beside
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.size import Size
from dynast_deploy.tasks import spec_of


class ConditionDrawers:
    """Makes the drawers of one task and closes their sources on leaving; a context manager.

    Where keypoints or parts of faces come from, `options` say: the file or folder that the user named, else what the
    task's file in `tasks` looks for.
    """

    def __init__(self, task: Task, network_size: Size, options: ConditionOptions | None = None) -> None:
        """Without `options` all of them have their defaults."""
        self.task, self.network_size, self.options = task, network_size, options or ConditionOptions()
        self._spec = spec_of(task).source
        self._sources = ExitStack()

    def __enter__(self) -> ConditionDrawers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sources.close()

    def of_video(self, video: Path) -> ConditionDrawer:
        """The drawer of a video.

        Raises:
            DynastError: Where there is no source for it, or a file cannot be read.
        """
        return self._drawer(self._source(video, self._given()))

    def of_picture(self, picture: Path) -> ConditionDrawer:
        """The drawer of one picture.

        Raises:
            DynastError: Where there is no source for it, or a file cannot be read.
        """
        return self._drawer(self._source(picture, self._given(), [picture]))

    def of_exemplar(self, picture: Path, number: int = 0) -> ConditionDrawer:
        """The drawer of an exemplar, which has options of its own; `number` counts exemplars from 0.

        Raises:
            DynastError: Where there is no source for it, or a file cannot be read.
        """
        given: Path | Sequence[Path] | None = self._value("exemplar_")
        if given is not None and not isinstance(given, Path):
            given = given[number] if given else None
        return self._drawer(self._source(picture, given, [picture], "--exemplar-"))

    def of_pictures(self, pictures: Sequence[Path]) -> Callable[[Path], tuple[ConditionDrawer, int]]:
        """For each of several pictures its own drawer, and the number under which that knows it.

        What the user named is a folder with files of each picture by its name, or holds poses by the names of
        `pictures`, or one pose or mask for each of them in their order; without it the file next to each picture is
        used where it is the picture's own, and the same estimator for all that have none.

        Raises:
            DynastError: Where a file that was named cannot be read or does not fit. What is returned raises it, too.
        """
        if self._spec is None:
            return lambda _: (self._drawer(None), 0)
        given = self._given()
        if given is not None and self._spec.folder_by_name and given.is_dir():
            return lambda picture: (self.of_picture(picture), 0)
        if given is not None:
            shared = self._source(pictures[0], given, pictures)
            numbers = {picture: number for number, picture in enumerate(pictures)}
            return lambda picture: (self._drawer(shared), numbers[picture])
        has_own_file, estimators = self._spec.has_own_file, list[ConditionInput | None]()

        def of_picture(picture: Path) -> tuple[ConditionDrawer, int]:
            if has_own_file(picture, self.options):
                return self.of_picture(picture), 0
            if not estimators:
                estimators.append(self._source(picture, None, [picture]))
            estimator = estimators[0]
            if estimator is not None:
                estimator.restart()
            return self._drawer(estimator), 0

        return of_picture

    def _given(self) -> Path | None:
        """What the user named for the task to draw from."""
        given: Path | None = self._value()
        return given

    def _value(self, prefix: str = "") -> Any:
        """The option that names what the task draws from; `prefix` is "exemplar_" for that of exemplars."""
        return self._spec and getattr(self.options, prefix + self._spec.kind.words.option, None)

    def _source(
        self, media: Path, given: Path | None, pictures: Sequence[Path] | None = None, prefix: str = "--"
    ) -> ConditionInput | None:
        if self._spec is None:
            return None
        option = prefix + self._spec.kind.words.option
        shares_name = pictures is None and has_picture_beside(media)
        source = self._spec.open(media, given, self.options, option, pictures, shares_name)
        return self._sources.enter_context(source)

    def _drawer(self, source: ConditionInput | None) -> ConditionDrawer:
        crop: Crop = getattr(self.options, "crop", Crop.NONE)
        return ConditionDrawer(self.task, self.network_size, self.options.fit, source, crop)


def check_options(task: Task, engine: str, options: ConditionOptions) -> None:
    """Check that all options that are set are of use for `task`, which is that of `engine`.

    Raises:
        DynastError: Where one names what the conditions of another task are drawn from, or asks for a crop that the
            task cannot draw.
    """
    spec = spec_of(task)
    if getattr(options, "crop", Crop.NONE) is Crop.PERSON and not spec.drawing.crops:
        raise DynastError(f"{engine} draws from {task} conditions, which show no keypoints; leave --crop out")
    known = spec.source.options if spec.source else ()
    given = {each.name for each in fields(options) if getattr(options, each.name) != each.default}
    for other in Task:
        source = spec_of(other).source
        if source is not None and given.intersection(source.options).difference(known):
            raise DynastError(f"{engine} draws from {task} conditions, which have {source.absent}")


def sources_read(
    media: Sequence[Path], options: ConditionOptions, prefix: str = "", whose: str = ""
) -> dict[str, list[Path]]:
    """What the conditions of `media` may be drawn from, by words for people: as named, else the files next to them.

    `prefix` begins the names of the options, "exemplar_" for exemplars; `whose` stands before the words.
    """
    read = {}
    for source in filter(None, (spec_of(task).source for task in Task)):
        option = source.kind.words.option
        given: Path | Sequence[Path] | None = getattr(options, prefix + option, None)
        named = [given] if isinstance(given, Path) else list(given or ())
        sidecars = filter(None, (source.find_beside(path) for path in media))
        read[f"file of the {whose}{option} being read"] = named or list(sidecars)
    return read
