"""Text that came from files, made fit for a terminal."""

from __future__ import annotations

import shlex
import sys


def printable(text: str) -> str:
    """`text` as one line of characters that a terminal only shows.

    Line ends and tabs become spaces, several spaces one. Whatever else is not printable (escape sequences,
    marks that turn the direction of writing, halves of characters) is spelled out, as `\\x1b`.
    """
    return printable_name(" ".join(text.split()))


def printable_name(name: object) -> str:
    """The name of a file as `printable` has it, every space kept."""
    text = str(name)
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text
    )


def print_note(text: str) -> None:
    """Say on standard error, in one line, what a person should know though the command goes on."""
    print(f"note: {printable(text)}", file=sys.stderr)


def shell_word(text: str) -> str:
    """The name of a file, `printable`, as one word of a command line, which no shell reads as anything else."""
    word = printable(text)
    return shlex.quote(f"./{word}" if word.startswith("-") else word)
