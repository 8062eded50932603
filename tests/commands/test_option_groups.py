"""A group of options is a dataclass: what a command is called with, in order and by default."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from typer.testing import CliRunner

from dynast_deploy.commands.option_groups import expand_groups


@dataclass(frozen=True)
class Group:
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 1
    files: Annotated[Sequence[Path], typer.Option("--file", help="Any number.")] = ()


called: list[tuple[str, Group, bool]] = []


@expand_groups
def command(
    name: Annotated[str, typer.Argument()],
    group: Group = Group(count=7),
    loud: Annotated[bool, typer.Option("--loud")] = False,
) -> None:
    """Do something."""
    called.append((name, group, loud))


app = typer.Typer()
app.command()(command)


def run(*arguments: str) -> tuple[str, Group, bool]:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return called.pop()


def test_a_field_that_is_not_given_has_the_commands_default() -> None:
    assert run("a") == ("a", Group(7, ()), False)


def test_fields_are_options_between_the_others() -> None:
    assert run("a", "--count", "2", "--loud", "--file", "x", "--file", "y") == (
        "a",
        Group(2, [Path("x"), Path("y")]),
        True,
    )
    assert list(command.__annotations__) == ["name", "count", "files", "loud"]


def test_a_command_can_be_called_as_a_function() -> None:
    command("b", 3, loud=True)
    assert called.pop() == ("b", Group(3, ()), True)


def test_limits_of_a_field_hold() -> None:
    assert CliRunner().invoke(app, ["a", "--count", "0"]).exit_code == 2
