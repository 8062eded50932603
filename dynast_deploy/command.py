"""How every command line of this project starts and ends."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from dynast_deploy.broken_package import broken_package
from dynast_deploy.errors import DynastError, DynastWarning
from dynast_deploy.printable import printable


def run(command: Callable[..., Any] | typer.Typer) -> None:
    """Run a typer application, or one function as its only command.

    A DynastError prints its message alone, in one line, and exits with status 2; so does a package that is
    installed but cannot be imported. Ctrl-C exits with 130. A DynastWarning is printed as a note.
    """
    warnings.showwarning = _note_or(warnings.showwarning)
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(command)
        command = app
    try:
        command()
    except DynastError as error:
        _refuse(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        broken = broken_package(error)
        if broken is None:
            raise
        _refuse(f"{broken.detail}; {broken.mend}")


def _refuse(message: str) -> NoReturn:
    print(f"error: {printable(message)}", file=sys.stderr)
    sys.exit(2)


def _note_or(show: Callable[..., None]) -> Callable[..., None]:
    """As `warnings.showwarning`: our warnings are notes, others are shown as before."""

    def show_warning(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, DynastWarning):
            print(f"note: {printable(str(message))}", file=sys.stderr)
        else:
            show(message, category, *place, **more)

    return show_warning
