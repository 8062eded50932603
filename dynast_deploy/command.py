"""How every command line of this project starts and ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from dynast_deploy.broken_package import broken_package
from dynast_deploy.errors import DynastError
from dynast_deploy.printable import printable


def run(command: Callable[..., Any] | typer.Typer) -> None:
    """Run a typer application, or one function as its only command.

    A DynastError prints its message alone, in one line, and exits with status 2; so does a package that is
    installed but cannot be imported. Ctrl-C exits with 130.
    """
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
