"""The coarsest layers as one operator of our library, which holds no matrix of all logits."""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

from dynast_deploy.formats.onnx_model import DOMAIN

FROM_TOKENS = 8192
"""Keys from which on one pass is used: with 4096 it takes 5 % longer and the matrices are small, with 16384 it takes
as long as the matrices and saves 3 GB (`docs/speed.md`)."""

LAYER = ("MatMul", "Mul", "Transpose", "Mul", "Cast", "Greater", "MatMul", "Transpose", "MatMul", "ReduceSum")
"""Operators around the softmax, as the exporter writes them: logits, scaled queries, keys, what is kept, its mask, the
comparison with 0, its logits, their keys, and the two results."""


def dense_in_one_pass(graph: onnx.GraphProto) -> None:
    """Where keys are many, dense attention becomes `dynast::DenseAttention` (plugins/README.md); changed in place.

    Nodes have names of their own (`cpu_graph.name_nodes`).
    """
    lengths = {
        value.name: value.type.tensor_type.shape.dim[1].dim_value
        for value in graph.input
        if len(value.type.tensor_type.shape.dim) == 3
    }
    makers = {name: node for node in graph.node for name in node.output}
    readers = {(name, node.op_type): node for node in graph.node for name in node.input}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    replaced: dict[str, onnx.NodeProto] = {}
    gone: set[str] = set()
    for softmax in graph.node:
        if softmax.op_type != "Softmax":
            continue
        try:
            logits, kept = makers[softmax.input[0]], readers[softmax.output[0], "Mul"]
            scaled, keys = (makers[name] for name in logits.input)
            attended, confidence = (readers[kept.output[0], kind] for kind in ("MatMul", "ReduceSum"))
            mask = makers[kept.input[1]]
            greater = makers[mask.input[0]]
            prune_logits = makers[greater.input[0]]
            prune_keys = makers[prune_logits.input[1]]
            if lengths[keys.input[0]] < FROM_TOKENS:
                continue
            scale = numpy_helper.to_array(constants[scaled.input[1]]).item()
            # Only the last coarse layer's matches are used; the others have lost theirs when the model was split.
            top_k, matches, ranking = 1, f"{softmax.name}.matches", set[str]()
            top = readers.get((logits.output[0], "TopK"))
            if top is not None:
                top_k = numpy_helper.to_array(constants[top.input[1]]).item()
                cast = readers[top.output[1], "Cast"]
                matches = cast.output[0]
                ranking = {top.name, cast.name}
        except (
            KeyError,
            ValueError,
            IndexError,
        ):  # written otherwise, as after a conversion to another precision
            continue
        layer = (logits, scaled, keys, kept, mask, greater, prune_logits, prune_keys, attended, confidence)
        if tuple(node.op_type for node in layer) != LAYER or any(node.domain for node in layer):
            continue
        gone |= ranking | {node.name for node in (softmax, *layer)} - {attended.name}
        replaced[attended.name] = helper.make_node(
            "DenseAttention",
            [scaled.input[0], prune_logits.input[0], keys.input[0], prune_keys.input[0], attended.input[1]],
            [attended.output[0], confidence.output[0], matches],
            name=f"{attended.name}.dense",
            domain=DOMAIN,
            top_k=top_k,
            temperature=1 / scale,
        )
    nodes = [replaced.get(node.name, node) for node in graph.node if node.name not in gone]
    del graph.node[:]
    graph.node.extend(nodes)
