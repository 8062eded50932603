"""What a sink of frames offers, whatever becomes of them: a video file, picture files, an address, a viewer.

A class that has the attributes and methods is a sink; it need not inherit. Several sinks at once are
one sink that hands everything on.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np


class FrameSink(Protocol):
    """A video on its way out; a context manager that finishes on leaving normally and aborts on an exception."""

    @property
    def frames(self) -> int:
        """Pictures written so far."""
        ...

    @property
    def outputs(self) -> Sequence[Path]:
        """The files that it writes, by the names that they have after `finish`; empty where it writes none."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether pictures can be added: it is neither finished nor aborted."""
        ...

    @property
    def note(self) -> str | None:
        """One line on what of the source it did not simply keep, complete once finished; None where it kept all."""
        ...

    def write(
        self,
        picture: np.ndarray,
        time: Fraction | None = None,
        duration: Fraction | None = None,
        captured: float | None = None,
    ) -> None:
        """Add a picture, uint8 [H, W, 3] RGB of the size that the sink was opened with.

        `time`, `duration` and `captured` are those of the source's frame; times increase.

        Raises:
            DynastError: Where nothing can be written any more; nothing of it is left then.
        """
        ...

    def finish(self, *, cut_sound: bool = False) -> None:
        """Complete what was written; nothing happens when that has been done.

        With `cut_sound`, for a video that was stopped early, sound ends with the last picture, and files that have the
        names already keep them: `outputs` are others then.

        Raises:
            DynastError: Where no picture was written, or it cannot be completed; nothing of it is left then.
        """
        ...

    def abort(self) -> None:
        """Give up what is not finished, and leave nothing of it."""
        ...

    def __enter__(self) -> FrameSink: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class PictureSink(Protocol):
    """Single pictures on their way out, each whole as soon as it is written."""

    def write(self, name: Path, picture: np.ndarray) -> None:
        """Write the result, uint8 [H, W, 3] RGB, of the driving picture of that name.

        Raises:
            DynastError: Where it cannot be written; those before it are kept.
        """
        ...

    def output_of(self, name: Path) -> Path:
        """Where the result of the driving picture of that name goes."""
        ...
