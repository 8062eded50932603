"""What conditions are drawn from, frame by frame: keypoints of a person, or the parts of a face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from dynast_deploy.errors import DynastError


@dataclass(frozen=True)
class SourceMessages:
    """The words that messages use for one kind of source.

    option: the option that names it, without dashes; counted: what a file holds one of for each frame; wanted: what
    people are asked for; absent: what a frame without any shows; kept: what stays in such a frame.
    """

    option: str
    counted: str
    wanted: str
    absent: str
    kept: str


class ConditionInput:
    """What the conditions of one picture or video are drawn from, asked for in the order of frames; a context manager.

    Attributes:
        words: The words that messages use for it.
        origin: Where it comes from, for people to read.
        frames: For how many frames it holds something, where it lies in a file; None where it is estimated.
    """

    words: ClassVar[SourceMessages]
    origin: str
    frames: int | None = None

    @property
    def note(self) -> str | None:
        """One line on what it leaves out, for people to read; None where there is nothing to say."""
        return None

    @property
    def is_empty(self) -> bool:
        """Whether it is known beforehand that no frame shows a person, or a face."""
        return False

    def check_frames(self, frames: int) -> None:
        """Compare it with a video.

        Raises:
            DynastError: Unless there is something for each of the `frames` of a video, and no more.
        """
        if self.frames not in (None, frames):
            option = self.words.option
            raise DynastError(
                f"{self.origin} holds {self.frames} {self.words.counted} for {frames} frames: cut the video or the "
                f"{option} to the same frames, or leave --{option} out to have the {option} estimated"
            )

    def check_pictures(self, pictures: Sequence[Path]) -> None:
        """Compare it with pictures.

        Raises:
            DynastError: Unless there is something for each of the `pictures`, and no more.
        """
        if self.frames in (None, len(pictures)):
            return
        these = (
            f"{pictures[0].name} is one picture"
            if len(pictures) == 1
            else f"there are {len(pictures)} pictures"
        )
        raise DynastError(
            f"{self.origin} holds {self.frames} {self.words.counted}, and {these}: give one for each picture, in their "
            "order"
        )

    def check_frame(self, index: int) -> None:
        """Make sure of one frame.

        Raises:
            DynastError: Unless there is something for frame `index`, from 0.
        """
        if self.frames is not None and index >= self.frames:
            raise DynastError(
                f"{self.origin} holds {self.frames} {self.words.counted} and none for frame {index} "
                "(the first is 0): give one for each frame of the video"
            )

    def restart(self) -> None:
        """The next picture has nothing to do with those before: no person is followed into it."""

    def close(self) -> None:
        """Free what the source holds; nothing may be asked for after that."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
