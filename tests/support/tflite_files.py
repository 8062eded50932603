"""Small TensorFlow Lite files, written field by field of the schema, for the tests of their reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import flatbuffers
import numpy as np

TYPES = {"float32": 0, "float16": 1, "int32": 2}
SIZES = {"b": 1, "i": 4}


@dataclass
class SparseLevel:
    """One dimension of a sparse constant: its size where it is dense, else segments and indices (uint8)."""

    size: int = 0
    segments: Sequence[int] = ()
    indices: Sequence[int] = ()


@dataclass
class FileTensor:
    """shape; values as they are stored, None for what is computed; order, blocks, levels: of a sparse constant."""

    shape: Sequence[int]
    values: np.ndarray | None = None
    order: Sequence[int] = ()
    blocks: Sequence[int] = ()
    levels: Sequence[SparseLevel] = ()


@dataclass
class FileOperator:
    """code; inputs, outputs: numbers of tensors; options: field to (format of `struct`, value)."""

    code: int
    inputs: Sequence[int]
    outputs: Sequence[int]
    options: Mapping[int, tuple[str, int]] = field(default_factory=dict)


def tflite_file(
    tensors: Sequence[FileTensor],
    operators: Sequence[FileOperator],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> bytes:
    """The contents of a file with one network."""
    builder = flatbuffers.Builder()
    builder.ForceDefaults(True)
    buffers = [_table(builder, {})]
    stored = []
    for number, tensor in enumerate(tensors):
        fields: dict[int, object] = {
            0: _ints(builder, tensor.shape),
            3: builder.CreateString(f"tensor{number}"),
        }
        if tensor.values is not None:
            fields[1] = ("b", TYPES[str(tensor.values.dtype)])
            fields[2] = ("i", len(buffers))
            contents = builder.CreateByteVector(tensor.values.tobytes())
            buffers.append(_table(builder, {0: contents}))
        if tensor.order:
            fields[6] = _sparsity(builder, tensor)
        stored.append(_table(builder, fields))
    codes = [_table(builder, {0: ("b", min(each.code, 127)), 3: ("i", each.code)}) for each in operators]
    run = []
    for number, each in enumerate(operators):
        fields = {0: ("i", number), 1: _ints(builder, each.inputs), 2: _ints(builder, each.outputs)}
        if each.options:
            fields[4] = _table(builder, dict(each.options))
        run.append(_table(builder, fields))
    graph = _table(
        builder,
        {
            0: _tables(builder, stored),
            1: _ints(builder, inputs),
            2: _ints(builder, outputs),
            3: _tables(builder, run),
        },
    )
    model = {1: _tables(builder, codes), 2: _tables(builder, [graph]), 4: _tables(builder, buffers)}
    builder.Finish(_table(builder, {0: ("i", 3), **model}), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _sparsity(builder: flatbuffers.Builder, tensor: FileTensor) -> int:
    levels = []
    for level in tensor.levels:
        if level.size:
            levels.append(_table(builder, {0: ("b", 0), 1: ("i", level.size)}))
            continue
        vectors = [
            _table(builder, {0: builder.CreateByteVector(bytes(each))})
            for each in (level.segments, level.indices)
        ]
        kind = ("b", 3)  # Uint8Vector
        levels.append(_table(builder, {0: ("b", 1), 2: kind, 3: vectors[0], 4: kind, 5: vectors[1]}))
    fields = {0: _ints(builder, tensor.order), 2: _tables(builder, levels)}
    if tensor.blocks:
        fields[1] = _ints(builder, tensor.blocks)
    return _table(builder, fields)


def _table(builder: flatbuffers.Builder, fields: Mapping[int, object]) -> int:
    """A table of scalars (format, value) and offsets."""
    builder.StartObject(max(fields, default=-1) + 1)
    for number, value in fields.items():
        if isinstance(value, tuple):
            prepend = builder.PrependInt8Slot if SIZES[value[0]] == 1 else builder.PrependInt32Slot
            prepend(number, value[1], 0)
        else:
            builder.PrependUOffsetTRelativeSlot(number, value, 0)
    return int(builder.EndObject())


def _ints(builder: flatbuffers.Builder, values: Sequence[int]) -> int:
    return int(builder.CreateNumpyVector(np.array(values, np.int32)))


def _tables(builder: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    builder.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
