"""One version's interface of TensorRT, as `native/describe_tensorrt.py` prints it."""

from __future__ import annotations

import re
from typing import Any

MODULE, PLUGIN = "<module>", "<plugin>"
"""Owners of names: the library, and its plugin module."""
Api = dict[str, Any]


def inherited(api: Api, owner: str, name: str) -> dict[str, Any] | None:
    """What a type or one of its bases has under a name; None where none has it."""
    described = api["types"].get(owner)
    if described is None:
        return None
    if name in described["members"]:
        found: dict[str, Any] = described["members"][name]
        return found
    return next((got for base in described["bases"] if (got := inherited(api, base, name))), None)


def bare(returned: str) -> str:
    """ "X" of "Optional[X]" and the like."""
    optional = re.fullmatch(r"(?:Optional\[|Union\[)?([\w.]+)(?:, None\]|\]| \| None)?", returned)
    return optional[1] if optional else returned
