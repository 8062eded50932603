"""How every command line of this project starts and ends."""

from __future__ import annotations

import errno
import inspect
import sys
import warnings
from collections.abc import Callable
from typing import Any

import typer

from dynast_deploy.broken_package import broken_package
from dynast_deploy.console import Console
from dynast_deploy.errors import DynastError, DynastWarning
from dynast_deploy.printable import print_note, printable
from dynast_deploy.stop_request import Stopping

INTERRUPTED = 130
"""Typer's exit status for KeyboardInterrupt."""

_OF_THE_SYSTEM = {
    errno.ENAMETOOLONG: "the name is too long",
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.ELOOP: "a link to itself",
    errno.EIO: "the disk or network share failed",
    errno.ESTALE: "the network share was changed meanwhile",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
}
"""What files do that no check foresees; any other OSError is a bug."""


def run(command: Callable[..., Any] | typer.Typer) -> None:
    """Run a typer application, or one function as its only command.

    A DynastError prints its message alone, in one line, and exits with status 2; so do a package that is installed but
    cannot be imported, and a disk that fails. Ctrl-C, SIGTERM, SIGHUP and SIGQUIT raise KeyboardInterrupt, and the exit
    status is 128 and the signal's number. What cannot be printed ends nothing; where standard output could not be
    written, the status is 1. A DynastWarning is printed as a note.
    """
    warnings.showwarning = _note_or(warnings.showwarning)
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command(help=help_text(command))(command)
        command = app
    with Console() as console:
        status = _status(command)
        if (failure := console.failure) is not None:
            print(f"error: standard output cannot be written: {failure}", file=sys.stderr)
            status = status or 1
    sys.exit(status)


def help_text(command: Callable[..., Any]) -> str:
    """What `--help` says of a command: its docstring up to the section on errors."""
    return (inspect.getdoc(command) or "").partition("\nRaises:")[0].rstrip()


def _status(command: Callable[[], Any]) -> int | str | None:
    """Run it; the exit status."""
    with Stopping() as stopping:
        try:
            command()
        except KeyboardInterrupt:
            return 128 + stopping.signal if stopping.signal else INTERRUPTED
        except SystemExit as ended:
            # Typer makes one of KeyboardInterrupt.
            if ended.code == INTERRUPTED and stopping.signal:
                return 128 + stopping.signal
            return ended.code
        except Exception as error:
            if stopping.signal:  # what became of the interrupt, such as an import that failed by it
                return 128 + stopping.signal
            if isinstance(error, DynastError):
                return _refused(str(error))
            if isinstance(error, OSError) and error.filename and error.errno in _OF_THE_SYSTEM:
                return _refused(f"{error.filename}: {_OF_THE_SYSTEM[error.errno]}")
            if (broken := broken_package(error)) is not None:
                return _refused(f"{broken.detail}; {broken.fix}")
            raise
    return 0


def _refused(message: str) -> int:
    print(f"error: {printable(message)}", file=sys.stderr)
    return 2


def _note_or(show: Callable[..., None]) -> Callable[..., None]:
    """As `warnings.showwarning`: our warnings are notes, others are shown as before."""

    def show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DynastWarning):
            print_note(str(message))
        else:
            show(message, category, *place, **more)

    return show_warning
