"""Progress with frames per second and time left: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from dynast_deploy.printable import printable

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

PLAIN_SECONDS = 5.0
"""Between two lines where the output is not a terminal."""


class Progress:
    """A context manager; `advance` counts frames. `total` is None where it is not known."""

    def __init__(self, what: str, total: int | None, stream: TextIO | None = None) -> None:
        self.what, self.total, self.done = printable(what), total, 0
        self._stream = stream or sys.stderr
        self._started = self._last = time.monotonic()
        self._bar = _bar(self.what, total) if self._stream.isatty() else None

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def rate(self) -> float:
        """Frames per second so far."""
        return self.done / max(time.monotonic() - self._started, 1e-9)

    def advance(self, frames: int) -> None:
        """Count `frames` more, and show it."""
        self.done += frames
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], advance=frames, rate=f"{self.rate:.1f} fps")
            return
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS or self.done == self.total:
            self._last = now
            print(self._line(), file=self._stream, flush=True)

    def _line(self) -> str:
        if self.total is None:
            return f"{self.what}: {self.done} frames, {self.rate:.1f} fps"
        left = (self.total - self.done) / max(self.rate, 1e-9)
        return f"{self.what}: {self.done}/{self.total} frames, {self.rate:.1f} fps, {max(0, left):.0f} s left"


def _bar(what: str, total: int | None) -> Bar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
    )
    bar = Bar(*columns, TextColumn("left"), TimeRemainingColumn(), console=Console(stderr=True))
    bar.add_task(what, total=total, rate="")
    return bar
