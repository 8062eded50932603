"""How every command line of this project starts and ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from dynast_deploy.errors import DynastError


def run(command: Callable[..., Any] | typer.Typer) -> None:
    """Run a typer application, or one function as its only command.

    A DynastError prints its message alone and exits with status 2, Ctrl-C exits with 130.
    """
    if not isinstance(command, typer.Typer):
        app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        app.command()(command)
        command = app
    try:
        command()
    except DynastError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
