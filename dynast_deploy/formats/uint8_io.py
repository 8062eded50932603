"""Pictures and conditions as bytes at the graph's ends, so that a frame is four times smaller when it is copied.

What the runtime otherwise does in NumPy around the network becomes its first and last nodes, with the same float32
operations in the same order, so that the results are the same bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CONDITIONS = ("condition", "exemplar_condition")
EXEMPLAR, IMAGE = "exemplar", "image"
SIGNED_IMAGE = f"{IMAGE}.signed"
"""The image as the network gives it, in a model with bytes outside."""


def with_uint8_io(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, changed in place: the network or a half of it, in float32 or float16, with uint8 outside.

    `condition` and `exemplar_condition` are 0..255 for 0..1, `exemplar` 0..255 for -1..1 as `picture_tensor` scales it,
    `image` 0..255 as `tensor_picture` rounds it; names and shapes stay. Those that the model does not have, and the
    tensors between the halves, are left alone.
    """
    graph = model.graph
    ends = _Ends(graph)
    inputs = {value.name: value for value in graph.input}
    for name in CONDITIONS:
        if name in inputs:
            ends.replace_input(inputs[name], ends.scaled(name, f"{name}.scaled"))
    if EXEMPLAR in inputs:
        half = ends.constant("half", 0.5)
        centred = ends.node("Sub", [ends.scaled(EXEMPLAR, f"{EXEMPLAR}.scaled"), half], f"{EXEMPLAR}.centred")
        ends.replace_input(inputs[EXEMPLAR], ends.node("Div", [centred, half], f"{EXEMPLAR}.signed"))
    ends.begin()
    for value in graph.output:
        if value.name == IMAGE:
            ends.replace_image(value)
    return model


class _Ends:
    """The nodes before and behind a graph's own."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph = graph
        self._nodes: list[onnx.NodeProto] = []

    def node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: float) -> str:
        full = f"uint8.{name}"
        if all(tensor.name != full for tensor in self._graph.initializer):
            self._graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), full))
        return full

    def scaled(self, name: str, output: str) -> str:
        """0..255 as 0..1, float32."""
        wide = self.node("Cast", [name], f"{name}.float32", to=TensorProto.FLOAT)
        return self.node("Div", [wide, self.constant("levels", 255)], output)

    def replace_input(self, value: onnx.ValueInfoProto, source: str) -> None:
        """The graph's nodes read `source` where they read the input, which becomes uint8."""
        for node in self._graph.node:
            for index, name in enumerate(node.input):
                if name == value.name:
                    node.input[index] = source
        value.type.tensor_type.elem_type = TensorProto.UINT8

    def begin(self) -> None:
        """Put the nodes so far before the graph's own."""
        own = list(self._graph.node)
        del self._graph.node[:]
        self._graph.node.extend([*self._nodes, *own])
        self._nodes = []

    def replace_image(self, value: onnx.ValueInfoProto) -> None:
        """float32 -1..1 as bytes: `tensor_picture`."""
        signed = SIGNED_IMAGE
        for node in self._graph.node:
            for index, name in enumerate(node.output):
                if name == IMAGE:
                    node.output[index] = signed
        shifted = self.node("Add", [signed, self.constant("one", 1)], f"{IMAGE}.shifted")
        levels = self.node("Mul", [shifted, self.constant("half_range", 127.5)], f"{IMAGE}.levels")
        rounded = self.node("Round", [levels], f"{IMAGE}.rounded")
        bounds = [self.constant("lowest", 0), self.constant("levels", 255)]
        clipped = self.node("Clip", [rounded, *bounds], f"{IMAGE}.clipped")
        self.node("Cast", [clipped], IMAGE, to=TensorProto.UINT8)
        self._graph.node.extend(self._nodes)
        value.type.tensor_type.elem_type = TensorProto.UINT8
