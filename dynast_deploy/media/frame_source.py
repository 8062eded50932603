"""What a source of frames offers, whatever the frames come from: a video file, pictures, a camera, an address.

A class that has the attributes and methods is a source; it need not inherit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dynast_deploy.size import Size

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.packet import Packet


@dataclass(frozen=True)
class Frame:
    """One frame of a source."""

    picture: np.ndarray
    """uint8 [H, W, 3], RGB, upright, square pixels."""
    time: Fraction
    """When it is shown, in seconds of the source's own clock; exactly pts times time base for a file."""
    duration: Fraction
    """How long it is shown, in seconds; the usual distance of two frames where the source does not say."""
    index: int
    """0 for the first frame that could be decoded."""
    captured: float | None = None
    """When a live source captured it, in seconds of `time.monotonic`; None for a file."""


class Policy(Enum):
    """What happens to frames that arrive while those before them are still being worked on."""

    WAIT = "wait"
    """The source waits and no frame is lost: files."""
    NEWEST = "newest"
    """The newest frame replaces one that waits, and what it replaces is counted: live sources."""


class SourceEnd(Enum):
    """Why a source gives no more frames."""

    COMPLETE = "complete"
    """Every frame that it states or holds was given."""
    INCOMPLETE = "incomplete"
    """Frames are missing: it is damaged, or ended before its stated length."""
    LOST = "lost"
    """A live source went away and did not come back."""


class SoundSource(Protocol):
    """One stream of sound, read apart from the pictures and only as far as somebody asks."""

    @property
    def stream(self) -> AudioStream:
        """Its codec, clock, language and disposition, as PyAV gives them."""
        ...

    @property
    def may_restart(self) -> bool:
        """Whether its clock may start again in the middle, as in broadcasts."""
        ...

    @property
    def damaged(self) -> int:
        """Packets skipped so far because they could not be read."""
        ...

    def packets(self) -> Iterator[Packet[Any]]:
        """The packets in their order, once.

        Raises:
            OSError: Where the source cannot be read any further.
        """
        ...

    def sample_packet(self) -> Packet[Any] | None:
        """A packet with sound in it, to try out whether a container takes the codec; None where there is none.

        It belongs to the caller, and `packets` gives it all the same.
        """
        ...

    def close(self) -> None:
        """Stop reading; safe to call again."""
        ...


class FrameSource(Protocol):
    """A video as it comes in: an iterator over `Frame`, once, and a context manager that closes it.

    Iterating raises DynastError where the source cannot be read any further. All pictures have the size of the first; a
    source whose size changes scales them.
    """

    @property
    def name(self) -> str:
        """A short name, to show progress by."""
        ...

    @property
    def origin(self) -> str:
        """What it is called in messages: the path or address as the user gave it."""
        ...

    @property
    def path(self) -> Path | None:
        """The file that is read; None where it is not one."""
        ...

    @property
    def policy(self) -> Policy:
        """What to do with frames that arrive too fast."""
        ...

    @property
    def size(self) -> Size:
        """The size of every picture."""
        ...

    @property
    def frame_count(self) -> int | None:
        """How many frames it holds; None where it is not known."""
        ...

    @property
    def counts_frames(self) -> bool:
        """Whether just `frame_count` frames will be read, unless some are damaged."""
        ...

    @property
    def rate(self) -> Fraction | None:
        """Average frames per second; None where it is not known."""
        ...

    @property
    def time_base(self) -> Fraction:
        """The tick of its clock, in seconds."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What it says of itself: title, date and so on."""
        ...

    @property
    def stream_metadata(self) -> Mapping[str, str]:
        """What it says of its pictures."""
        ...

    @property
    def left_out(self) -> list[str]:
        """A few words on each kind of stream that is neither the pictures nor sound."""
        ...

    @property
    def damaged(self) -> int:
        """Packets or frames skipped so far because they could not be read or decoded."""
        ...

    @property
    def end(self) -> SourceEnd | None:
        """Why there are no more frames; None as long as there may be more."""
        ...

    @property
    def warning(self) -> str | None:
        """One line on what was wrong with it, complete once all frames are read; None where nothing was."""
        ...

    def open_sound(self) -> list[SoundSource]:
        """Its streams of sound in their order; the caller closes them.

        Raises:
            OSError: Where the source cannot be opened for it.
        """
        ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None:
        """Stop reading; safe to call again. No frame can be read after it."""
        ...

    def __enter__(self) -> FrameSource: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PictureSource(Protocol):
    """Single pictures by name, of any size each: an iterable over their names, which may be asked for in any order."""

    def __iter__(self) -> Iterator[Path]: ...

    def __len__(self) -> int: ...

    def read(self, name: Path) -> np.ndarray:
        """The picture of that name, uint8 [H, W, 3], RGB, upright.

        Raises:
            DynastError: Where it cannot be read; the others still can.
        """
        ...
