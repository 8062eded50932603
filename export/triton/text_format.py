"""Protocol buffers' text format, which Triton's `config.pbtxt` is written in."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


class Name(str):
    """The name of an enumeration's value; it is written without quotes."""


def to_text(message: Mapping[str, Any]) -> str:
    """A message in text format: fields in the mapping's order, a list as a repeated field, a mapping as a message.

    https://protobuf.dev/reference/protobuf/textformat-spec/
    """
    return "".join(f"{line}\n" for line in _lines(message))


def _lines(message: Mapping[str, Any]) -> Iterator[str]:
    for name, value in message.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            if isinstance(one, Mapping):
                yield f"{name} {{"
                yield from (f"  {line}" for line in _lines(one))
                yield "}"
            else:
                yield f"{name}: {_scalar(one)}"


def _scalar(value: Any) -> str:
    if isinstance(value, Name) or (isinstance(value, int | float) and not isinstance(value, bool)):
        return str(value)
    return json.dumps(value, ensure_ascii=False)  # strings and booleans are written as JSON writes them
