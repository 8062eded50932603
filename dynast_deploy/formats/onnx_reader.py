"""Reading an ONNX file without its weights, which stay where they are: in the file.

Parsed as a whole, a model is held in memory three times before it first runs: as bytes, as the parsed message, and as
ONNX Runtime's own copy. Here everything but the large tensors is parsed, and those become references to their place
in the file, as ONNX's external data allows; ONNX Runtime maps them from there.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.onnx_check import check_parts, check_tensor
from dynast_deploy.formats.onnx_weights import reference_name

# Field numbers of onnx.proto.
MODEL_GRAPH, GRAPH_INITIALIZER, TENSOR_RAW_DATA = 7, 5, 9
IN_PLACE = 1024
"""Bytes from which on a tensor is left in the file."""


class Field(NamedTuple):
    """One field of a serialised message: its number, and where it and its contents lie."""

    number: int
    begin: int
    contents: int
    end: int


def read_graph(path: str | os.PathLike[str]) -> onnx.ModelProto:
    """The model in a file; tensors of 1024 bytes and more are external data in that file, links followed.

    Raises:
        DynastError: Where the file is missing, cut short or not an ONNX file.
    """
    path = Path(path)
    if not path.is_file():
        raise DynastError(f"{path}: no such ONNX file")
    damaged = DynastError(f"{path}: damaged, cut short, or not an ONNX file")
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            model: onnx.ModelProto = onnx.ModelProto.FromString(_without_weights(data, path))
        check_parts(model, str(path))
    except OSError as error:
        raise DynastError(f"{path}: cannot be read ({error.strerror})") from None
    except (DecodeError, ValueError, IndexError):
        raise damaged from None
    if not model.graph.node:
        raise damaged
    return model


def _without_weights(data: mmap.mmap, path: Path) -> bytes:
    """The serialised model of the file at `path`, its large tensors replaced by references into it."""
    model = bytearray()
    for field in _fields(data, 0, len(data)):
        if field.number != MODEL_GRAPH:
            model += data[field.begin : field.end]
            continue
        graph = bytearray()
        for part in _fields(data, field.contents, field.end):
            if part.number == GRAPH_INITIALIZER and part.end - part.contents >= IN_PLACE:
                tensor = _reference(data, part, path)
                graph += _varint(GRAPH_INITIALIZER << 3 | 2) + _varint(len(tensor)) + tensor
            else:
                graph += data[part.begin : part.end]
        model += _varint(MODEL_GRAPH << 3 | 2) + _varint(len(graph)) + graph
    return bytes(model)


def _reference(data: mmap.mmap, tensor: Field, path: Path) -> bytes:
    """The tensor with its raw data replaced by where that lies."""
    kept, raw = bytearray(), None
    for field in _fields(data, tensor.contents, tensor.end):
        if field.number == TENSOR_RAW_DATA:
            raw = field
        else:
            kept += data[field.begin : field.end]
    reference = onnx.TensorProto.FromString(bytes(kept))
    if raw is not None:
        check_tensor(reference, raw.end - raw.contents, str(path))
        reference.data_location = onnx.TensorProto.EXTERNAL
        place = {"location": reference_name(path), "offset": raw.contents, "length": raw.end - raw.contents}
        for key, value in place.items():
            reference.external_data.add(key=key, value=str(value))
    serialized: bytes = reference.SerializeToString()
    return serialized


def _fields(data: mmap.mmap, position: int, end: int) -> Iterator[Field]:
    """The fields of the message between two positions.

    https://protobuf.dev/programming-guides/encoding/

    Raises:
        ValueError: Where there is no message.
    """
    while position < end:
        begin = position
        key, position = _read_varint(data, position)
        kind, contents = key & 7, position
        if kind == 0:
            _, position = _read_varint(data, position)
        elif kind == 1:
            position += 8
        elif kind == 2:
            length, contents = _read_varint(data, position)
            position = contents + length
        elif kind == 5:
            position += 4
        else:
            raise ValueError(f"wire type {kind}")
        if position > end or key < 8:
            raise ValueError("field beyond its message")
        yield Field(key >> 3, begin, contents, position)


def _read_varint(data: mmap.mmap, position: int) -> tuple[int, int]:
    """The number there, and the position after it.

    Raises:
        ValueError: Where it is longer than 64 bits.
    """
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("number too long")


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
