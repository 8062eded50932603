"""Reading `.safetensors`: eight bytes with the length of a JSON header, the header, and tensors one after the other.

https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from dynast_deploy.errors import DynastError
from dynast_deploy.printable import cut, shown

MOST_HEADER = 10_000_000
"""Bytes of a header: 100,000 tensors."""

_TYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
    "C64": torch.complex64,
}


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file by name; its metadata, which are text, are left out. Tensors may have any shape.

    Raises:
        DynastError: Where the file is damaged or cut short, where two tensors share bytes, and where the header is
            longer than MOST_HEADER; before memory for it is asked for.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_HEADER:
            raise DynastError(
                f"{path}: its header has {length:,} bytes; no more than {MOST_HEADER:,} are read"
            )
        if length > size - 8:
            raise DynastError(_damaged(path, "cut short in its header"))
        entries = _header(path, file.read(length))
        begin, end, tensors = 8 + length, 0, {}
        for name, entry in sorted(entries.items(), key=lambda item: item[1][2:]):
            dtype, shape, first, last = entry
            if first != end:
                raise DynastError(
                    _damaged(path, f"{cut(name)} does not begin where the tensor before it ends")
                )
            if begin + last > size:
                raise DynastError(_damaged(path, f"cut short in {cut(name)}"))
            end = last
            data = bytearray(last - first)
            file.seek(begin + first)
            if file.readinto(data) != len(data):
                raise DynastError(_damaged(path, f"cut short in {cut(name)}"))
            flat = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
            tensors[name] = flat.reshape(shape)
    return tensors


def _header(path: Path, text: bytes) -> dict[str, tuple[torch.dtype, list[int], int, int]]:
    """Type, shape, and first and last byte behind the header of every tensor.

    Raises:
        DynastError: Where the header is not of that form.
    """
    try:
        header = json.loads(text)
    except (ValueError, RecursionError):
        raise DynastError(_damaged(path, "its header is not JSON")) from None
    if not isinstance(header, dict):
        raise DynastError(_damaged(path, "its header is not a JSON object"))
    header.pop("__metadata__", None)
    return {name: _entry(path, name, value) for name, value in header.items()}


def _entry(path: Path, name: str, value: Any) -> tuple[torch.dtype, list[int], int, int]:
    entry = value if isinstance(value, dict) else {}
    kind, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    if not _are_counts(shape) or not _are_counts(offsets) or len(offsets) != 2:
        raise DynastError(_damaged(path, f"the header says neither shape nor place of {cut(name)}"))
    if not isinstance(kind, str) or kind not in _TYPES:
        raise DynastError(
            f"{path}: {cut(name)} is of type {shown(kind)}, which is not read here; save it as float32"
        )
    dtype, (first, last) = _TYPES[kind], offsets
    # Nothing in sides that are huge but for one of 0 is more than PyTorch can count.
    if math.prod(shape) * dtype.itemsize != last - first or math.prod(filter(None, shape)) >= 2**62:
        raise DynastError(
            _damaged(path, f"{cut(name)} has {last - first} bytes, which its shape {shape} does not fit")
        )
    return dtype, shape, first, last


def _are_counts(value: Any) -> TypeGuard[list[int]]:
    return (
        isinstance(value, list)
        and len(value) <= 16
        and all(type(each) is int and 0 <= each < 2**48 for each in value)
    )


def _damaged(path: Path, what: str) -> str:
    return f"{path}: damaged safetensors file, {what}; copy or download it again"
