"""Standard output and standard error that never end a command: closed, full, or unable to show a letter."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO, cast

_STREAMS = {"stdout": 1, "stderr": 2}


class Console:
    """A context manager around a command, which may print to `sys.stdout` and `sys.stderr` whatever became of them.

    A letter that a stream's encoding lacks is shown as its number (`\\xe9`). A descriptor that was closed before the
    process began is opened on nothing: the next file to be opened would take its place, and every line that a library
    prints would go into that file. A stream that cannot be written to is silent from then on.
    """

    def __init__(self) -> None:
        self._before: dict[str, Any] = {}
        self._streams: dict[str, _Stream] = {}

    def __enter__(self) -> Console:
        _open_standard_descriptors()
        for name in _STREAMS:
            self._before[name] = stream = getattr(sys, name)
            if stream is None:
                stream = open(os.devnull, "w", encoding="utf-8")
            self._streams[name] = _Stream(stream)
            setattr(sys, name, self._streams[name])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in _STREAMS:
            self._streams[name].flush()
            setattr(sys, name, self._before[name])

    @property
    def failure(self) -> str | None:
        """Why standard output could not be written, None where it was; a reader that has ended is not a failure."""
        output = self._streams["stdout"]
        output.flush()
        if output.error is None or output.error.errno in (errno.EPIPE, errno.EINVAL):
            return None
        return output.error.strerror or str(output.error)


class _Stream:
    """A text stream that remembers the first `error` instead of raising it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None
        with suppress(AttributeError, ValueError, OSError):
            cast("Any", stream).reconfigure(errors="backslashreplace")

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            self._fail(error)
            return len(text)

    def writelines(self, lines: list[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._fail(error)
        except ValueError:  # closed
            pass

    def isatty(self) -> bool:
        return self.error is None and self._stream.isatty()

    def _fail(self, error: OSError) -> None:
        """What is still in its buffer, and what libraries print there, goes nowhere."""
        self.error = self.error or error
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_standard_descriptors() -> None:
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is given out, which is this one.
            os.open(os.devnull, os.O_RDWR)
