"""The order in which people number files: `frame2` before `frame10`."""

from __future__ import annotations

import re
from pathlib import Path


def natural_order(path: Path) -> tuple[list[tuple[int, str]], str]:
    """A key for sorting by name, numbers by value and letters regardless of case.

    Pictures and the files of their poses are sorted by it alike, so that they stay in step.
    """
    return natural_name(path.name)


def natural_name(name: str) -> tuple[list[tuple[int, str]], str]:
    """The same for a name that is not a path."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], name
