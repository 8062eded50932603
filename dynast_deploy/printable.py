"""Text that came from files, made fit for a terminal."""

from __future__ import annotations

import reprlib
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


def shown(value: object, most: int = 60) -> str:
    """Any value from a file for a message: no longer than `most`, and found in no time however deep it is nested."""
    if isinstance(value, str):
        return cut(repr(value[:most]), most)
    try:
        return cut(reprlib.repr(value), most)
    except ValueError:  # a whole number of more digits than Python spells
        return f"a huge {type(value).__name__}"


def cut(text: str, most: int = 60) -> str:
    """The first letters of a text from a file, with dots where more follow."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def print_note(text: str) -> None:
    """Say on standard error, in one line, what a person should know though the command goes on."""
    print(f"note: {printable(text)}", file=sys.stderr)


def shell_word(text: str) -> str:
    """The name of a file, `printable`, as one word of a command line, which no shell reads as anything else."""
    word = printable(text)
    return shlex.quote(f"./{word}" if word.startswith("-") else word)
