"""A form of the graph that ONNX Runtime's CPU kernels like better; the file itself stays as GPUs like it.

Each change was kept because it measured faster or smaller: `docs/speed.md`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.runtime.onnxrt.graph_pattern import stated_channels

DTYPES = {TensorProto.FLOAT: np.float32, TensorProto.FLOAT16: np.float16}


def for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with the changes that the functions below describe; changed in place."""
    name_nodes(model.graph)
    reductions_as_products(model.graph)
    positions_after_features(model.graph)
    modulation_late(model.graph)
    return model


def name_nodes(graph: onnx.GraphProto) -> None:
    """Give nodes that have no name, or another node's, one of their own: rewriting tells nodes apart by name."""
    taken: set[str] = set()
    for number, node in enumerate(graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.name or node.op_type}.node{number}"
        taken.add(node.name)


def reductions_as_products(graph: onnx.GraphProto) -> None:
    """`ReduceMean` and `ReduceSumSquare` over the channels of `[N, C, H, W]` as products with a row of ones.

    The kernels of reductions walk memory with a stride there. The exporter states the channels of what it reduces in
    `value_info`; where they are not stated nothing changes.
    """
    floats = {
        value.name for value in graph.value_info if value.type.tensor_type.elem_type == TensorProto.FLOAT
    }
    channels = {name: width for name, width in stated_channels(graph).items() if name in floats}
    axes = {
        tensor.name
        for tensor in graph.initializer
        if list(tensor.dims) == [1]
        and tensor.data_type == TensorProto.INT64
        and numpy_helper.to_array(tensor).tolist() == [1]
    }
    constants = _Constants(graph)
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        reduced = (
            node.op_type in ("ReduceMean", "ReduceSumSquare")
            and len(node.input) == 2
            and node.input[1] in axes
        )
        if reduced and (width := channels.get(node.input[0], 0)):
            nodes += _over_channels(node, width, constants)
        else:
            nodes.append(node)
    _replace(graph, nodes)


def positions_after_features(graph: onnx.GraphProto) -> None:
    """`x @ weight + (code @ code_weight + bias)` as `cat(x, code, 1) @ cat(weight, code_weight, bias)`.

    ONNX Runtime folds what stands in brackets when it loads the graph, and at the finest scale that constant is larger
    than most weights. The long product has neither the constant nor the sum.
    """
    constants = _Constants(graph)
    known = {tensor.name: tensor for tensor in graph.initializer}
    makers = {name: node for node in graph.node for name in node.output}

    def made_by(op_type: str, name: str) -> onnx.NodeProto | None:
        maker = makers.get(name)
        return maker if maker is not None and maker.op_type == op_type else None

    replaced: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        product, offset = made_by("MatMul", node.input[0]), made_by("Add", node.input[1])
        position = made_by("MatMul", offset.input[0]) if offset is not None else None
        if product is None or offset is None or position is None:
            continue
        code, *weights = position.input[0], product.input[1], position.input[1], offset.input[1]
        if not known.keys() >= {code, *weights}:
            continue
        read = [known[name] for name in (code, *weights)]
        kinds, ranks = {tensor.data_type for tensor in read}, [len(tensor.dims) for tensor in read]
        if ranks != [2, 2, 2, 1] or not kinds <= DTYPES.keys() or len(kinds) > 1:
            continue
        length, dtype = known[code].dims[0], DTYPES[kinds.pop()]
        ones = constants.add(f"ones_{length}_{np.dtype(dtype)}", np.ones((length, 1), dtype))
        replaced[node.name] = _with_position(node, product.input[0], [code, ones], weights, constants)
        replaced.update({gone.name: [] for gone in (product, offset, position)})
    _replace(graph, [new for node in graph.node for new in replaced.get(node.name, [node])])


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


def _with_position(
    node: onnx.NodeProto, x: str, code: list[str], weights: list[str], constants: _Constants
) -> list[onnx.NodeProto]:
    """`cat(x [N, L, C], code [L, P], ones [L, 1]) @ cat(weight, code_weight, bias)`; ONNX Runtime folds the second."""
    name, (weight, code_weight, bias) = node.name, weights
    first, rest = constants.add("axis_0", np.array([0])), constants.add("one_each", np.array([1, 1]))

    def make(op_type: str, inputs: list[str], part: str, **attributes: Any) -> onnx.NodeProto:
        return helper.make_node(op_type, inputs, [f"{name}.{part}"], name=f"{name}.{part}", **attributes)

    return [
        make("Unsqueeze", [bias, first], "bias_row"),
        make("Concat", [weight, code_weight, f"{name}.bias_row"], "weight", axis=0),
        make("Concat", code, "code", axis=1),
        make("Shape", [x], "batch", start=0, end=1),
        make("Concat", [f"{name}.batch", rest], "sizes", axis=0),
        make("Expand", [f"{name}.code", f"{name}.sizes"], "codes"),
        make("Concat", [x, f"{name}.codes"], "features", axis=2),
        helper.make_node("MatMul", [f"{name}.features", f"{name}.weight"], list(node.output), name=name),
    ]


def _replace(graph: onnx.GraphProto, nodes: list[onnx.NodeProto]) -> None:
    del graph.node[:]
    graph.node.extend(nodes)
