"""What a task consists of. Packages that need something of a task ask `spec_of(task)` for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from dynast_deploy.condition_input import ConditionInput
from dynast_deploy.condition_options import ConditionOptions
from dynast_deploy.tasks.drawing import Drawing

if TYPE_CHECKING:
    from dynast_deploy.data.augment import Augmentation
    from dynast_deploy.data.sample import SampleStream


class OpenSource(Protocol):
    """Opens what the conditions of a picture or a video are drawn from."""

    def __call__(
        self,
        media: Path,
        given: Path | None,
        options: ConditionOptions,
        option: str,
        pictures: Sequence[Path] | None,
        shares_name: bool,
    ) -> ConditionInput:
        """The source for `media`.

        Args:
            media: The picture or video.
            given: The file or folder that the user named, None where none is.
            options: All options of conditions.
            option: The command-line option that sets `given`, for messages.
            pictures: The pictures that the source is for, in their order; None for a video.
            shares_name: Whether a picture of the same name lies next to the video.

        Raises:
            DynastError: Where there is no source, or a file cannot be read.
        """


@dataclass(frozen=True)
class SourceSpec:
    """What conditions are drawn from besides the picture: keypoints, or parts of faces.

    Attributes:
        kind: The class of all sources of the task. Its `words.option` is the field of `ConditionOptions` that names a
            file or a folder; the field for the exemplar has `exemplar_` before that name.
        options: Fields of `ConditionOptions` and of the classes derived from it that other tasks refuse.
        absent: What conditions of other tasks do not have, and which options to leave out, for messages.
        open: Opens a source.
        find_beside: The file next to a picture or video, None where there is none.
        has_own_file: Whether a picture has a file next to it that is used.
        folder_by_name: Whether a folder holds the files of several pictures by the pictures' names.
    """

    kind: type[ConditionInput]
    options: tuple[str, ...]
    absent: str
    open: OpenSource
    find_beside: Callable[[Path], Path | None]
    has_own_file: Callable[[Path, ConditionOptions], bool]
    folder_by_name: bool = False


@dataclass(frozen=True)
class TaskSpec:
    """One task.

    Attributes:
        drawing: Draws conditions.
        source: What they are drawn from besides the picture; None where that is all.
        preview: The channels of a condition that are shown to people as red, green and blue.
        shipped: The name of the data that are drawn on the fly.
        drawn_data: Opens them: (side of the pictures in pixels, seed, whether they are held out).
        folder_data: Opens a folder with a data set: (folder, side, seed, whether held out, augmentation).
        objective: Weights of the objective's terms by name; others are 0.
        margin, flip: The published augmentation of pictures from folders, see `data.augment.Augmentation`.
    """

    drawing: type[Drawing[Any]]
    source: SourceSpec | None
    preview: tuple[int, int, int]
    shipped: str
    drawn_data: Callable[[int, int, bool], SampleStream]
    folder_data: Callable[[Path, int, int, bool, Augmentation], SampleStream]
    objective: Mapping[str, float]
    margin: float = 1.0
    flip: bool = False
