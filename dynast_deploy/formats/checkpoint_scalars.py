"""NumPy's scalars in a checkpoint, such as the best score so far: read as plain numbers.

NumPy's own unpickling builds whatever type and bytes a file asks for. Here a scalar is of one of the few numeric types,
or None.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

_NUMBERS = re.compile(r"f[248]|[iu][1248]|b1")


class _NumberType:
    """What stands in a pickle for `numpy.dtype`: its letter and size, such as "f8", and its order of bytes."""

    def __init__(self, name: object, *_: object) -> None:
        self.name, self.order = name, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = "=" if state[1] == "|" else state[1]


def _number(kind: object, data: object = None) -> bool | int | float | None:
    """The number in `data`, in place of `numpy.core.multiarray.scalar`; None where it is none."""
    if not isinstance(kind, _NumberType) or not isinstance(kind.name, str) or not isinstance(data, bytes):
        return None
    if not _NUMBERS.fullmatch(kind.name) or kind.order not in ("<", ">", "="):
        return None
    dtype = np.dtype(kind.order + kind.name)
    return np.frombuffer(data, dtype)[0].item() if len(data) == dtype.itemsize else None


STAND_INS: dict[str, Callable[..., Any]] = {
    "numpy.dtype": _NumberType,
    "numpy.core.multiarray.scalar": _number,
    "numpy._core.multiarray.scalar": _number,
}
"""What a pickle of NumPy's scalars calls, by the names in it, and what is called instead."""
