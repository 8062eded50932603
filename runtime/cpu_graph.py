"""A form of the graph that ONNX Runtime's CPU kernels like better.

Reductions over the channels of `[N, C, H, W]` walk memory with a stride there; as a product with a row of ones the
same sum takes about a tenth of the time (`docs/speed.md`). The file itself keeps the reductions, which GPUs fuse.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper


def for_cpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model` with `ReduceMean` and `ReduceSumSquare` over axis 1 as matrix products; changed in place.

    The exporter states the channels of what it reduces in `value_info`; where they are not stated nothing changes.
    """
    graph = model.graph
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
    nodes: list[onnx.NodeProto] = []
    rows: dict[tuple[int, bool], str] = {}
    for node in graph.node:
        reduced = node.op_type in ("ReduceMean", "ReduceSumSquare") and node.input[1] in axes
        if not reduced or not channels.get(node.input[0]):
            nodes.append(node)
            continue
        mean, width = node.op_type == "ReduceMean", channels[node.input[0]]
        row = rows.setdefault((width, mean), f"cpu.{'mean' if mean else 'sum'}_over_{width}")
        nodes += _as_product(node, row, square=not mean)
    for (width, mean), name in rows.items():
        weights = np.full((1, 1, width), 1 / width if mean else 1, np.float32)
        graph.initializer.append(numpy_helper.from_array(weights, name))
    if rows:
        # In a Reshape, 0 keeps a dimension: [N, C, H*W], and [N, 1, ...] before the height and width.
        graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1]), "cpu.flat"))
        graph.initializer.append(numpy_helper.from_array(np.array([0, 1]), "cpu.one_map"))
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _as_product(node: onnx.NodeProto, row: str, square: bool) -> list[onnx.NodeProto]:
    """`row [1, 1, C] @ x [N, C, H*W]`, shaped back to `[N, 1, H, W]`."""
    source, name, nodes = node.input[0], node.name, []
    if square:
        nodes.append(helper.make_node("Mul", [source, source], [f"{name}.squared"], name=f"{name}.square"))
        source = f"{name}.squared"
    product, sizes = f"{name}.product", f"{name}.sizes"
    return [
        *nodes,
        helper.make_node("Reshape", [source, "cpu.flat"], [f"{name}.flat"], name=f"{name}.flatten"),
        helper.make_node("MatMul", [row, f"{name}.flat"], [product], name=product),
        helper.make_node("Shape", [node.input[0]], [f"{name}.size"], name=f"{name}.shape", start=2),
        helper.make_node("Concat", ["cpu.one_map", f"{name}.size"], [sizes], name=sizes, axis=0),
        helper.make_node("Reshape", [product, sizes], list(node.output), name=f"{name}.unflatten"),
    ]
