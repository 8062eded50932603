"""What TensorRT is doing while it builds: bars on a terminal, plain lines elsewhere, and Ctrl-C that it listens to."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from dynast_deploy.stop_request import StopRequest

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")

PLAIN_SECONDS = 5.0
"""Between two lines where the output is not a terminal."""
_DEEPEST = 2
"""Phases within phases that are shown; those below come and go too fast to be read."""


class BuildProgress:
    """A context manager around one build. Its methods are called from any of the builder's threads.

    While it lasts a signal of `StopRequest` asks the builder to stop after its step, since an exception cannot pass
    through TensorRT, and Ctrl-C after it ends the process; leaving it then does what the signal does without it.
    """

    def __init__(self, what: str, stream: TextIO | None = None) -> None:
        self._what, self._stream = what, stream or sys.stderr
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._phases: dict[str, tuple[int, int]] = {}
        self._lock = threading.Lock()
        self._started = self._last = time.monotonic()
        self._stop = StopRequest(self._say_stopping)

    def __enter__(self) -> BuildProgress:
        if self._stream.isatty():
            self._bars = _bars(self._what)
            self._bars.start()
        else:
            print(f"{self._what}: building", file=self._stream, flush=True)
        self._stop.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.__exit__(kind, error, trace)
        if self._bars is not None:
            self._bars.stop()
        if self.is_stopped:
            self._stop.hand_on()
            raise KeyboardInterrupt
        if kind is None:
            seconds = time.monotonic() - self._started
            print(f"{self._what}: built in {seconds:.0f} s", file=self._stream, flush=True)

    @property
    def is_stopped(self) -> bool:
        """Whether a signal came."""
        return bool(self._stop.signal)

    def _say_stopping(self, number: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        print(f"{self._what}: stopping after this step; Ctrl-C again stops at once", file=self._stream)

    def run(self, build: Callable[..., T], *arguments: Any) -> T:
        """`build(*arguments)` in a thread of its own: this one has to stay free to hear Ctrl-C."""
        with ThreadPoolExecutor(1, "build") as pool:
            return pool.submit(build, *arguments).result()

    def start(self, phase: str, parent: str | None, steps: int) -> None:
        """A phase of `steps` steps begins inside the phase `parent`; the builder calls this."""
        with self._lock:
            depth = self._phases[parent][0] + 1 if parent in self._phases else 0
            self._phases[phase] = depth, steps
            if self._bars is not None and depth <= _DEEPEST:
                self._tasks[phase] = self._bars.add_task("  " * depth + phase, total=steps)

    def step(self, phase: str, done: int) -> bool:
        """Whether to go on after `done` steps of a phase."""
        with self._lock:
            if phase in self._tasks and self._bars is not None:
                self._bars.update(self._tasks[phase], completed=done)
            elif self._bars is None:
                self._print(phase, done)
        return not self.is_stopped

    def finish(self, phase: str) -> None:
        """A phase is over; the builder calls this."""
        with self._lock:
            self._phases.pop(phase, None)
            if self._bars is not None and (task := self._tasks.pop(phase, None)) is not None:
                self._bars.remove_task(task)

    def _print(self, phase: str, done: int) -> None:
        now = time.monotonic()
        depth, steps = self._phases.get(phase, (0, 0))
        if now - self._last >= PLAIN_SECONDS and depth <= _DEEPEST:
            self._last = now
            seconds = now - self._started
            print(
                f"{self._what}: {phase}, step {done} of {steps}, {seconds:.0f} s so far",
                file=self._stream,
                flush=True,
            )


def as_monitor(library: Any, progress: BuildProgress) -> Any:
    """A `library.IProgressMonitor` that tells `progress`."""

    class Monitor(library.IProgressMonitor):  # type: ignore[misc, unused-ignore]
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            progress.start(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            return progress.step(phase_name, step + 1)

        def phase_finish(self, phase_name: str) -> None:
            progress.finish(phase_name)

    return Monitor()


def _bars(what: str) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(TextColumn(what), TextColumn("{task.description}"), *columns, console=console)
