"""JSON read piece by piece: a list's entries, or an object's, one after the other, so that a long file needs little
memory."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from dynast_deploy.errors import DynastError

CHUNK = 1 << 20
"""Characters read at once, and as many as are kept of a value that has not ended yet."""


@dataclass(frozen=True)
class Piece:
    """A part of a document.

    keys: its place: () for a document that is neither a list nor an object; (index,) for an entry of a list; (name,)
    for a member of an object; (name, index) for an entry of a list that is a member of an object. An empty list or
    object has no parts, but an empty list in an object is one itself.
    """

    keys: tuple[str | int, ...]
    value: Any


def read_pieces(path: Path) -> Iterator[Piece]:
    """The pieces of a JSON file in their order. NaN and Infinity are read, as Python and NumPy write them.

    Raises:
        DynastError: For anything that is not JSON; it names the file.
    """
    with path.open("rb") as file:
        start = file.read(4)
        try:
            if os.fstat(file.fileno()).st_size < CHUNK:
                yield from _whole(json.loads(start + file.read()))
                return
            file.seek(0)
            text = _Text(io.TextIOWrapper(file, json.detect_encoding(start), "surrogatepass"))
            yield from _pieces(text)
            text.expect_end()
        except (ValueError, RecursionError) as error:
            raise DynastError(f"{path}: not whole JSON ({reason(error)}); write the file again") from None


def reason(error: Exception) -> str:
    """What a decoder says, in one short line."""
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]


def _whole(document: Any) -> Iterator[Piece]:
    """The pieces of a document that is small enough to be read at once, which is faster."""
    if isinstance(document, list):
        yield from (Piece((number,), value) for number, value in enumerate(document))
    elif isinstance(document, dict):
        for name, value in document.items():
            if isinstance(value, list) and value:
                yield from (Piece((name, number), entry) for number, entry in enumerate(value))
            else:
                yield Piece((name,), value)
    else:
        yield Piece((), document)


def _pieces(text: _Text) -> Iterator[Piece]:
    first = text.peek()
    if first == "[":
        for number, value in _entries(text):
            yield Piece((number,), value)
    elif first == "{":
        for name in _names(text):
            if text.peek() == "[":
                number = -1
                for number, value in _entries(text):
                    yield Piece((name, number), value)
                if number < 0:
                    yield Piece((name,), [])
            else:
                yield Piece((name,), text.value())
    else:
        yield Piece((), text.value())


def _entries(text: _Text) -> Iterator[tuple[int, Any]]:
    text.take("[")
    if text.peek() == "]":
        text.take("]")
        return
    number = 0
    while True:
        yield number, text.value()
        number += 1
        if text.take(",]") == "]":
            return


def _names(text: _Text) -> Iterator[str]:
    """The names of an object; after each the caller takes its value.

    Raises:
        ValueError: Where they do not follow each other as JSON says.
    """
    text.take("{")
    if text.peek() == "}":
        text.take("}")
        return
    while True:
        if text.peek() != '"':
            raise ValueError(f"a name in quotes is expected at character {text.position}")
        name = text.value()
        text.take(":")
        yield name
        if text.take(",}") == "}":
            return


class _Text:
    """The part of a file that is being looked at."""

    def __init__(self, file: IO[str]) -> None:
        self._file, self._text, self._at, self._before, self._ended = file, "", 0, 0, False
        self._decode = json.JSONDecoder().raw_decode

    @property
    def position(self) -> int:
        return self._before + self._at

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in " \t\n\r":
                    return self._text[self._at]
                self._at += 1
            if not self._more():
                return ""

    def take(self, wanted: str) -> str:
        """The next character, which is one of `wanted`.

        Raises:
            ValueError: Where something else comes next.
        """
        found = self.peek()
        if not found or found not in wanted:
            names = " or ".join(repr(each) for each in wanted)
            raise ValueError(f"{names} is expected at character {self.position}")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whole.

        Raises:
            ValueError: Where something else comes next.
        """
        self.peek()
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more():
                    place = self._before + error.pos
                    raise ValueError(f"{error.msg} at character {place}") from None
                continue
            # A number that ends where the text ends may go on.
            if end == len(self._text) and self._more():
                continue
            self._at = end
            return value

    def expect_end(self) -> None:
        if self.peek():
            raise ValueError(f"more follows at character {self.position}")

    def _more(self) -> bool:
        """Read on, at least as much as is kept: what has to be decoded again is decoded a few times only."""
        if self._ended:
            return False
        self._before += self._at
        self._text, self._at = self._text[self._at :], 0
        read = self._file.read(max(CHUNK, len(self._text)))
        self._ended = not read
        self._text += read
        return bool(read)
