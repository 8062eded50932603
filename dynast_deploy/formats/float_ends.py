"""Pictures and conditions as float32 at the ends of a graph that other tools made float16 throughout."""

from __future__ import annotations

import onnx
from onnx import TensorProto, helper

PICTURES = ("condition", "exemplar", "exemplar_condition", "image")


def with_float32_ends(model: onnx.ModelProto) -> onnx.ModelProto:
    """`model`, changed in place: the network or a half of it, whose pictures and conditions are float32 outside.

    Those that are float16 are cast behind the inputs and before the output; names and shapes stay. The tensors between
    the halves are left alone.
    """
    graph = model.graph
    before, after = [], []
    for value in [*graph.input, *graph.output]:
        tensor, name = value.type.tensor_type, value.name
        if name not in PICTURES or tensor.elem_type != TensorProto.FLOAT16:
            continue
        tensor.elem_type = TensorProto.FLOAT
        inside = f"{name}.float16"
        for node in graph.node:
            for names in (node.input, node.output):
                for index, each in enumerate(names):
                    if each == name:
                        names[index] = inside
        if name == "image":
            after.append(
                helper.make_node("Cast", [inside], [name], name=f"{name}.cast", to=TensorProto.FLOAT)
            )
        else:
            before.append(
                helper.make_node("Cast", [name], [inside], name=f"{name}.cast", to=TensorProto.FLOAT16)
            )
    if before or after:
        nodes = [*before, *graph.node, *after]
        del graph.node[:]
        graph.node.extend(nodes)
    return model
