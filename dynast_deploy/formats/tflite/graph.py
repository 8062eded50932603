"""The network in a TensorFlow Lite file: tensors and operators in the order they run.

After TensorFlow's `tensorflow/compiler/mlir/lite/schema/schema.fbs`, version 3; numbers of fields are the schema's.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.tflite.flatbuffer import Table
from dynast_deploy.formats.tflite.sparse import dense

IDENTIFIER = b"TFL3"
DTYPES = {0: "<f4", 1: "<f2", 2: "<i4"}
"""Types of tensors that are read."""

LARGEST_TENSOR = 1 << 24
"""Numbers; the largest of MediaPipe's has a third of that."""


class Operation(IntEnum):
    """Operators that are read, by their code."""

    ADD = 0
    CONCATENATION = 2
    CONV_2D = 3
    DEPTHWISE_CONV_2D = 4
    DEPTH_TO_SPACE = 5
    DEQUANTIZE = 6
    LOGISTIC = 14
    MAX_POOL_2D = 17
    MUL = 18
    RELU = 19
    RESHAPE = 22
    RESIZE_BILINEAR = 23
    PAD = 34
    PRELU = 54
    DENSIFY = 124


@dataclass(frozen=True)
class Tensor:
    """name; shape, NHWC where it has four dimensions; values of a constant, None for what is computed."""

    name: str
    shape: tuple[int, ...]
    values: np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """operation; inputs and outputs: numbers of tensors, -1 for one left out; options: the operation's own table."""

    operation: Operation
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None

    def option(self, field: int, code: str = "i", default: int = 0) -> int:
        """A number of `options`."""
        return default if self.options is None else self.options.number(field, code, default)


@dataclass(frozen=True)
class Graph:
    """tensors; operators in the order they run; inputs and outputs: numbers of tensors."""

    tensors: list[Tensor]
    operators: list[Operator]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_graph(data: bytes, source: str) -> Graph:
    """The network of a file's contents.

    Raises:
        DynastError: Names `source`, where it is damaged, of another format, or needs an operator or type of numbers
            that is not read here.
    """
    if data[4:8] != IDENTIFIER:
        raise DynastError(f"{source}: not a TensorFlow Lite model")
    try:
        return _graph(data, source)
    except (struct.error, IndexError, ValueError, OverflowError) as error:
        raise DynastError(f"{source}: damaged TensorFlow Lite model ({error})") from None


def _graph(data: bytes, source: str) -> Graph:
    model = Table.root(data)
    # Codes above 127 have a field of their own.
    codes = [max(code.number(0, "b"), code.number(3, "i")) for code in model.tables(1)]
    subgraphs = model.tables(2)
    if len(subgraphs) != 1:
        raise DynastError(f"{source}: {len(subgraphs)} subgraphs in it; networks of one are read")
    buffers = model.tables(4)
    main = subgraphs[0]
    tensors = [_tensor(table, buffers, source) for table in main.tables(0)]
    operators = []
    for table in main.tables(3):
        code = codes[table.number(0, "I")]
        if code not in set(Operation):
            raise DynastError(f"{source}: operator {code} of TensorFlow Lite is not supported here")
        inputs, outputs = _numbers(table, 1), _numbers(table, 2)
        if not inputs or not outputs or not all(-1 <= each < len(tensors) for each in inputs + outputs):
            raise ValueError("an operator names a tensor that is not there")
        operators.append(Operator(Operation(code), inputs, outputs, table.table(4)))
    return Graph(tensors, operators, _numbers(main, 1), _numbers(main, 2))


def _numbers(table: Table, field: int) -> tuple[int, ...]:
    return tuple(int(number) for number in table.array(field, "<i4"))


def _tensor(table: Table, buffers: list[Table], source: str) -> Tensor:
    shape, name = _numbers(table, 0), table.text(3)
    if any(length < 0 for length in shape) or math.prod(shape) > LARGEST_TENSOR:
        raise ValueError(f"tensor {name!r} of shape {list(shape)}")
    contents = buffers[table.number(2, "I")].array(0, "u1")
    if not len(contents):
        return Tensor(name, shape, None)
    kind = table.number(1, "b")
    if kind not in DTYPES:
        raise DynastError(
            f"{source}: a constant of type {kind} of TensorFlow Lite; float32, float16 and int32 are read "
            "(8-bit models are not)"
        )
    values = np.frombuffer(contents.tobytes(), DTYPES[kind])
    sparsity = table.table(6)
    return Tensor(name, shape, dense(values, shape, sparsity) if sparsity else values.reshape(shape))
