"""Settings as nested frozen dataclasses, changed from TOML files and from `--set a.b=value`, and written as TOML."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text

Settings = TypeVar("Settings")

MOST_TEXT = 1_000_000
"""Bytes of a file of settings."""
LARGEST = 2**63 - 1
"""Whole numbers go no further, as in TOML."""


def read_settings(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        DynastError: Naming the file, where it cannot be read, is not TOML or has more than MOST_TEXT bytes.
    """
    try:
        if path.is_file() and (size := path.stat().st_size) > MOST_TEXT:
            raise DynastError(
                f"{path}: not a settings file: it has {size:,} bytes, and {MOST_TEXT:,} are read"
            )
        tables: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return tables
    except OSError as error:
        raise DynastError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError as error:  # of TOML, of UTF-8, and of integers of thousands of digits
        raise DynastError(f"{path}: not a TOML file ({error})") from None
    except RecursionError:
        raise DynastError(f"{path}: not a settings file: its values are nested too deep") from None


def assigned(text: str) -> dict[str, Any]:
    """`a.b=value` as nested tables. The value is TOML; what is not, such as a bare word or a path, is a string.

    Raises:
        DynastError: Where the text is not a setting and its value.
    """
    name, equals, given = (part.strip() for part in text.partition("="))
    if not (equals and all(name.split("."))):
        raise DynastError(f"--set {text}: write a setting and its value, such as schedule.length=2000")
    try:
        value = tomllib.loads(f"value = {given}")["value"]
    except (ValueError, RecursionError):
        value = given
    *tables, last = name.split(".")
    nested: dict[str, Any] = {last: value}
    for table in reversed(tables):
        nested = {table: nested}
    return nested


def updated(settings: Settings, values: Mapping[str, Any], source: str, prefix: str = "") -> Settings:
    """`settings` with `values` in the place of their own, table by table.

    Raises:
        DynastError: Naming `source` and the setting, where there is none of that name, where the value is of another
            type, and where the settings refuse it.
    """
    types = get_type_hints(type(settings))
    changes = {}
    for name, value in values.items():
        setting = prefix + name
        if name not in types:
            raise DynastError(f"{source}: there is no setting {setting}{_suggestion(name, types, prefix)}")
        present = getattr(settings, name)
        if not is_dataclass(present):
            changes[name] = _of_type(value, types[name], f"{source}: {setting}")
        elif isinstance(value, Mapping):
            changes[name] = updated(present, value, source, f"{setting}.")
        else:
            raise DynastError(
                f"{source}: {setting} is a table of settings, such as {setting}.{_first(present)}"
            )
    try:
        return replace(settings, **changes)  # type: ignore[type-var]
    except DynastError as error:
        raise error if str(error).startswith(source) else DynastError(f"{source}: {error}") from None


def _suggestion(name: str, known: Mapping[str, Any], prefix: str) -> str:
    close = get_close_matches(name, known, 1)
    return f"; did you mean {prefix}{close[0]}?" if close else f"; there are {', '.join(known)}"


def _first(settings: Any) -> str:
    return fields(settings)[0].name


def _of_type(value: Any, kind: Any, setting: str) -> Any:
    """`value` as the type of its setting: an integer may stand for a number, and a word for a choice.

    Raises:
        DynastError: Where it is of another type.
    """
    if get_origin(kind) is tuple:
        item = get_args(kind)[0]
        if isinstance(value, (list, tuple)):
            return tuple(_of_type(entry, item, setting) for entry in value)
        raise DynastError(f"{setting} is {_short(value)}; it must be a list, such as [1, 2]")
    if issubclass(kind, StrEnum):
        if value in list(kind):
            return kind(value)
        raise DynastError(f"{setting} is {_short(value)}; it must be one of {', '.join(kind)}")
    if type(value) is int and abs(value) > LARGEST:
        raise DynastError(f"{setting} is {_short(value)}; whole numbers go to 2^63")
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is kind:
        return value
    needed = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[kind]
    raise DynastError(f"{setting} is {_short(value)}; it must be {needed}")


def _short(value: Any) -> str:
    """A value in a message, in as many letters as can be read."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):  # nested deep, or a number of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def write_settings(settings: Any, path: Path) -> None:
    """The settings as a TOML file, which `read_settings` reads back.

    Raises:
        DynastError: Where the file cannot be written.
    """
    write_text(path, "\n".join(_toml_lines(settings)) + "\n")


def _toml_lines(settings: Any, prefix: str = "") -> list[str]:
    """Plain settings before tables."""
    lines, tables = [], []
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            name = prefix + field.name
            tables += ["", f"[{name}]", *_toml_lines(value, f"{name}.")]
        else:
            # JSON writes numbers, strings, lists, true and false as TOML does.
            lines.append(f"{field.name} = {json.dumps(value, ensure_ascii=False)}")
    return lines + tables
