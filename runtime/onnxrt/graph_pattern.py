"""Patterns of nodes in an ONNX graph, written as the arithmetic reads: `Op("Add", Op("Mul", "a", "b"), "c")`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

COMMUTATIVE = ("Add", "Mul")


@dataclass(frozen=True)
class Op:
    """A node of one of the types `types` (several are separated by "|") whose inputs match `inputs`.

    An input is another Op; a string, which stands for any tensor, the same wherever it is written; "" for an input that
    is left out; or the value of a constant, a number or a list. Attributes have to have the values of `having`, or the
    operator's default where that is the value and the node does not write it. The node's output is found under
    `called`. With `alone` nothing else in the graph may read that output.
    """

    types: str
    inputs: tuple[Any, ...]
    having: Mapping[str, Any] = field(default_factory=dict)
    called: str = ""
    alone: bool = False


def op(types: str, *inputs: Any, called: str = "", alone: bool = False, **having: Any) -> Op:
    """A pattern; see `Op`. `types` are names of operators with | between them."""
    return Op(types, inputs, having, called, alone)


def stated_channels(graph: onnx.GraphProto) -> dict[str, int]:
    """Of the maps `[N, C, H, W]` that the graph states the shape of, C by their names."""
    return {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in graph.value_info
        if len(value.type.tensor_type.shape.dim) == 4
    }


class Reader:
    """Looks for patterns in a graph, from a tensor backwards."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self.makers = {name: node for node in graph.node for name in node.output}
        self.constants = {tensor.name: tensor for tensor in graph.initializer}
        self.reads = Counter(name for node in graph.node for name in node.input)
        self.reads.update(value.name for value in graph.output)
        self.channels = stated_channels(graph)

    def find(self, pattern: Any, name: str) -> dict[str, str] | None:
        """What the pattern's names stand for if the tensor `name` matches it."""
        return self._match(pattern, name, {})

    def attributes(self, name: str) -> dict[str, Any]:
        """Those written at the node that makes the tensor."""
        return {found.name: helper.get_attribute_value(found) for found in self.makers[name].attribute}

    def _match(self, pattern: Any, name: str, found: dict[str, str]) -> dict[str, str] | None:
        if isinstance(pattern, Op):
            return self._match_op(pattern, name, found)
        if isinstance(pattern, str):
            fits = (name == "") == (pattern == "") and found.get(pattern, name) == name
            return {**found, pattern: name} if fits else None
        return found if self.has_value(name, pattern) else None

    def _match_op(self, pattern: Op, name: str, found: dict[str, str]) -> dict[str, str] | None:
        node = self.makers.get(name)
        if node is None or node.domain or node.op_type not in pattern.types.split("|"):
            return None
        if len(node.input) != len(pattern.inputs) or (pattern.alone and self.reads[name] > 1):
            return None
        attributes = self.attributes(name)
        if any(_plain(attributes.get(key)) != value for key, value in pattern.having.items()):
            return None
        if pattern.called:
            found = {**found, pattern.called: name}
        orders = [list(node.input)]
        if node.op_type in COMMUTATIVE:
            orders.append(orders[0][::-1])
        for inputs in orders:
            matched: dict[str, str] | None = found
            for part, source in zip(pattern.inputs, inputs, strict=True):
                matched = self._match(part, source, matched) if matched is not None else None
            if matched is not None:
                return matched
        return None

    def has_value(self, name: str, value: float | list[float]) -> bool:
        """Whether the tensor is a constant of this value, but for rounding."""
        array, wanted = self.values(name), np.ravel(value)
        return array is not None and array.size == wanted.size and np.allclose(array.ravel(), wanted, 1e-6, 0)

    def values(self, name: str) -> np.ndarray | None:
        """Those of a constant that is held in the graph itself. Of any shape."""
        tensor = self.constants.get(name)
        if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return None
        return numpy_helper.to_array(tensor)


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else value
