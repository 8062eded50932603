"""A form of the graph that ONNX Runtime's CPU kernels like better; the file itself stays as GPUs like it.

Each change was kept because it measured faster or smaller: `docs/speed.md`.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import onnx
from onnx import helper, numpy_helper


def for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with reductions over channels as matrix products and SPADE maps that live briefly; changed in place."""
    reductions_as_products(model.graph)
    modulation_late(model.graph)
    return model


def reductions_as_products(graph: onnx.GraphProto) -> None:
    """`ReduceMean` and `ReduceSumSquare` over the channels of `[N, C, H, W]` as products with a row of ones.

    The kernels walk memory with a stride; as a product the same sum takes about a tenth of the time. The exporter
    states the channels of what it reduces in `value_info`; where they are not stated nothing changes.
    """
    channels = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in graph.value_info
        if len(value.type.tensor_type.shape.dim) == 4
    }
    axes = {
        tensor.name
        for tensor in graph.initializer
        if list(tensor.dims) == [1] and numpy_helper.to_array(tensor).tolist() == [1]
    }
    constants = _Constants(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        reduced = node.op_type in ("ReduceMean", "ReduceSumSquare") and node.input[1] in axes
        if reduced and (width := channels.get(node.input[0], 0)):
            nodes += _over_channels(node, width, constants)
        else:
            nodes.append(node)
    _replace(graph, nodes)


def modulation_late(graph: onnx.GraphProto) -> None:
    """Gamma and beta of a SPADE are computed when the normalised map is there, and not at the start of the frame.

    ONNX Runtime walks the graph from the picture backwards and, where nodes meet, goes first to the one that was added
    last. Its layout pass adds a node behind each convolution, so it would compute every gamma and beta before anything
    else and hold them all. A reshape to the same shape, which costs nothing, keeps their place in the order.
    """
    makers = {name: node for node in graph.node for name in node.output}

    def convolved(names: Iterable[str]) -> set[str]:
        return {name for name in names if name in makers and makers[name].op_type == "Conv"}

    gammas = {node.output[0]: convolved(node.input) for node in graph.node if node.op_type == "Mul"}
    held: set[str] = set().union(*gammas.values())
    for node in graph.node:
        if node.op_type == "Add" and any(gammas.get(name) for name in node.input):
            held |= convolved(node.input)
    if not held:
        return
    same = _Constants(graph).add("same_shape", np.zeros(4, np.int64))
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name in held:
                node.input[index] = f"{name}.held"
        nodes.append(node)
        for name in held.intersection(node.output):
            nodes.append(helper.make_node("Reshape", [name, same], [f"{name}.held"], name=f"{name}.hold"))
    _replace(graph, nodes)


class _Constants:
    """Constants of this module's nodes, each added to the graph once."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._names = graph, set[str]()

    def add(self, name: str, values: np.ndarray) -> str:
        full = f"cpu.{name}"
        if full not in self._names:
            self._names.add(full)
            self._graph.initializer.append(numpy_helper.from_array(values, full))
        return full


def _over_channels(node: onnx.NodeProto, width: int, constants: _Constants) -> list[onnx.NodeProto]:
    """`row [1, 1, C] @ x [N, C, H*W]`, shaped back to `[N, 1, H, W]`."""
    source, name, mean = node.input[0], node.name, node.op_type == "ReduceMean"
    row = constants.add(
        f"{'mean' if mean else 'sum'}_over_{width}",
        np.full((1, 1, width), 1 / width if mean else 1, np.float32),
    )
    # In a Reshape, 0 keeps a dimension.
    flat = constants.add("flat", np.array([0, 0, -1]))
    one_map = constants.add("one_map", np.array([0, 1]))
    product, sizes, nodes = f"{name}.product", f"{name}.sizes", []
    if not mean:
        nodes.append(helper.make_node("Mul", [source, source], [f"{name}.squared"], name=f"{name}.square"))
        source = f"{name}.squared"
    return [
        *nodes,
        helper.make_node("Reshape", [source, flat], [f"{name}.flat"], name=f"{name}.flatten"),
        helper.make_node("MatMul", [row, f"{name}.flat"], [product], name=product),
        helper.make_node("Shape", [node.input[0]], [f"{name}.size"], name=f"{name}.shape", start=2),
        helper.make_node("Concat", [one_map, f"{name}.size"], [sizes], name=sizes, axis=0),
        helper.make_node("Reshape", [product, sizes], list(node.output), name=f"{name}.unflatten"),
    ]


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    del graph.node[:]
    graph.node.extend(nodes)
