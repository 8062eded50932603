"""Signals that ask a process to stop: Ctrl-C and `kill`, a closed terminal, Ctrl-\\\\."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Any, TypeVar

Self = TypeVar("Self", bound="_Handlers")

SIGNALS: tuple[signal.Signals, ...] = tuple(
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGBREAK")
    if hasattr(signal, name)
)
"""Those that this system has."""


class _Handlers:
    """A context manager that hears `SIGNALS`; `signal` is the first that came, 0 before.

    What is ignored (by `nohup`, or in the background of a shell script) stays ignored. Only the main thread hears
    signals; in another one nothing changes.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._before: dict[int, Any] = {}

    def __enter__(self: Self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if (before := signal.getsignal(number)) is not signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._hear)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # None stands for a handler that Python did not install and cannot put back.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        raise NotImplementedError


class Stopping(_Handlers):
    """While it lasts every signal raises KeyboardInterrupt, as Ctrl-C does without it.

    Not the first one alone: an exception in the middle of anything may be swallowed, by a destructor for example.
    """

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.signal = self.signal or number
        raise KeyboardInterrupt


class StopRequest(_Handlers):
    """While it lasts the first signal is remembered, for work that has places where it can stop in order.

    Others after it change nothing, but a third Ctrl-C ends the process.

    `then`, where given, is called with the signal's number when it comes.
    """

    def __init__(self, then: Callable[[int], None] | None = None) -> None:
        super().__init__()
        self._then = then

    def hand_on(self) -> None:
        """Outside of it: do what the signal that came would have done without it."""
        if self.signal:
            signal.raise_signal(self.signal)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        """Some come twice, as when a terminal is closed."""
        if self.signal:
            if number == signal.SIGINT:
                signal.signal(signal.SIGINT, signal.SIG_DFL)
            return
        self.signal = number
        if self._then is not None:
            with suppress(RuntimeError):  # a stream that was being written to refuses to be entered again
                self._then(number)
