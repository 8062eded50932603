"""Names made out of other names, kept within what a folder takes, which is counted in bytes."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

USUAL_LIMIT = 255
"""Bytes of one name, where the file system does not state it."""


def named_beside(path: Path, ending: str) -> Path:
    """`walk.mp4` with `.dynast.mp4` -> `walk.dynast.mp4` in the same folder.

    Where that name would be too long for the folder, the stem is cut, and eight hexadecimal digits of the whole stem
    keep two of them apart.
    """
    return path.with_name(fitting(path.stem, ending, path.parent))


def find_beside(path: Path, endings: Sequence[str]) -> Path | None:
    """What lies next to `walk.mp4` as `walk` and one of `endings`, which may be written in any case, or None.

    The first of `endings` that is there; the one in its very case where there are several.
    """
    exact = [path.parent / (path.stem + ending) for ending in endings]
    # Not Path.exists, which raises for a name that is too long.
    if os.path.exists(exact[0]):
        return exact[0]
    try:
        names = [name for name in os.listdir(path.parent) if name.startswith(path.stem)]
    except OSError:  # a folder that may be entered, but not listed
        names = []
    others = {name[len(path.stem) :].lower(): path.parent / name for name in sorted(names)}
    for name, ending in zip(exact, endings, strict=True):
        found = name if os.path.exists(name) else others.get(ending.lower())
        if found is not None and os.path.exists(found):
            return found
    return None


def fitting(stem: str, ending: str, folder: Path) -> str:
    """`stem` + `ending`, cut as `named_beside` says where `folder` takes no name of that length."""
    room = longest_name(folder) - len(os.fsencode(ending))
    if len(os.fsencode(stem)) <= room:
        return stem + ending
    digits = hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]
    return f"{first_bytes(stem, room - len(digits) - 1)}~{digits}{ending}"


def numbered(path: Path, word: str) -> Iterator[Path]:
    """`out.mp4` with "partial" -> `out.partial.mp4`, `out.partial-2.mp4`, ... in the same folder."""
    for number in itertools.count(1):
        ending = f".{word}{f'-{number}' if number > 1 else ''}{path.suffix}"
        yield named_beside(path, ending)


def unused(path: Path, word: str) -> Path:
    """The first of `numbered` names that nothing has."""
    return next(name for name in numbered(path, word) if not os.path.lexists(name))


def first_bytes(text: str, most: int) -> str:
    """The longest beginning of `text` that takes at most `most` bytes in a file name, no character cut."""
    return os.fsencode(text)[: max(0, most)].decode("utf-8", "ignore")


def longest_name(folder: Path) -> int:
    """Bytes that one name in `folder` may have."""
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):  # Windows; a folder that is not there
        return USUAL_LIMIT
