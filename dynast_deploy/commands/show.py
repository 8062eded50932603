"""Documents of facts for people: tables on a terminal, plain lines elsewhere, JSON on request."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Any, TypeAlias

from dynast_deploy.printable import printable

Document: TypeAlias = Mapping[str, Any]
"""Names to what JSON can hold; a list of dictionaries with equal keys is a table. Keys in `_mb` are megabytes."""


def show(document: Document, as_json: bool = False) -> None:
    """Print a document to standard output."""
    if as_json:
        print(json.dumps(document, indent=2))
    elif sys.stdout.isatty():
        _show_rich(document)
    else:
        print("\n".join(plain_lines(document)))


def plain_lines(document: Document, indent: str = "") -> list[str]:
    """`name: value` for every fact, tables in aligned columns. Names inside a dictionary are shown as they are."""
    lines: list[str] = []
    for key, value in document.items():
        name = printable(key.removesuffix("_mb")) if indent else label(key)
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}:", *plain_lines(value, indent + "  ")]
        elif _is_table(value):
            rows = [[label(column) for column in value[0]]]
            rows += [[text(column, cell) for column, cell in row.items()] for row in value]
            widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
            lines.append(f"{indent}{name}:")
            for row in rows:
                cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
                lines.append(f"{indent}  {'  '.join(cells)}".rstrip())
        else:
            lines.append(f"{indent}{name}: {text(key, value)}")
    return lines


def megabytes(count: int) -> float:
    """Bytes in megabytes (1e6), to three digits after the point."""
    return round(count / 1e6, 3)


def label(key: str) -> str:
    """A key as people read it, without its unit; keys may come from a file."""
    return printable(key.removesuffix("_mb").replace("_", " "))


def text(key: str, value: object) -> str:
    """A value as people read it, with the unit that its key names; nothing that a terminal obeys."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return printable(", ".join(str(item) for item in value))
    shown = f"{value:,}" if isinstance(value, int) else printable(str(value))
    return f"{shown} MB" if key.endswith("_mb") else shown


def _is_table(value: object) -> bool:
    return isinstance(value, Sequence) and bool(value) and isinstance(value[0], Mapping)


def _show_rich(document: Document) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    facts = Table.grid(padding=(0, 2))
    for key, value in document.items():
        if not _is_table(value):
            shown = (
                dedent("\n".join(plain_lines({key: value})[1:]))
                if isinstance(value, Mapping)
                else text(key, value)
            )
            facts.add_row(Text(label(key), style="bold"), Text(shown))
    console.print(facts)
    for key, value in document.items():
        if _is_table(value):
            table = Table(title=label(key), title_justify="left", header_style="bold")
            for name, cell in value[0].items():
                number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
                table.add_column(label(name), justify="right" if number else "left", overflow="fold")
            for row in value:
                table.add_row(*(Text(text(name, cell)) for name, cell in row.items()))
            console.print(table)
