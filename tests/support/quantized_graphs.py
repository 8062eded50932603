"""Small graphs with the patterns that the exporter writes: borders, shared inputs, skip connections, projections."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.formats.onnx_model import DOMAIN

CHANNELS, SIDE = 4, 6


def residual_graph() -> onnx.ModelProto:
    """condition -> first -> sum(first, second) -> image, reflected 3x3 convolutions, and a projection next to them.

    `skipped` is read by the border of `second` and by the sum, `gamma` and `beta` share their input, and `function`
    is a node of our own domain.
    """
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)

    kernel = (CHANNELS, CHANNELS, 3, 3)
    constants = [weight(f"{name}.weight", *kernel) for name in ("first", "second", "gamma", "beta")]
    constants += [weight("last.weight", 3, CHANNELS, 3, 3), weight("projection.weight", CHANNELS, 5)]
    constants += [
        numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "border"),
        numpy_helper.from_array(np.array([0, CHANNELS, -1]), "flat"),
    ]

    def padded(source: str) -> onnx.NodeProto:
        return helper.make_node(
            "Pad", [source, "border"], [f"{source}.pad"], name=f"{source}.pad", mode="reflect"
        )

    def conv(name: str, source: str) -> onnx.NodeProto:
        return helper.make_node("Conv", [f"{source}.pad", f"{name}.weight"], [name], name=name)

    make = helper.make_node
    nodes = [
        padded("condition"),
        conv("first", "condition"),
        make("LeakyRelu", ["first"], ["skipped"], name="skipped", alpha=0.2),
        padded("skipped"),
        conv("second", "skipped"),
        make("Add", ["skipped", "second"], ["sum"], name="sum"),
        padded("sum"),
        conv("gamma", "sum"),
        conv("beta", "sum"),
        make("Mul", ["gamma", "beta"], ["modulated"], name="modulated"),
        make("Reshape", ["modulated", "flat"], ["flattened"], name="flattened"),
        make("Transpose", ["flattened"], ["tokens"], name="tokens", perm=[0, 2, 1]),
        make("MatMul", ["tokens", "projection.weight"], ["projected"], name="projection"),
        make("Twice", ["projected"], ["twice"], name="function", domain=DOMAIN),
        padded("modulated"),
        conv("last", "modulated"),
        make("Tanh", ["last"], ["image"], name="tanh"),
    ]
    shape = ["N", CHANNELS, SIDE, SIDE]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("condition", TensorProto.FLOAT, shape)],
        [
            helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE]),
            helper.make_tensor_value_info("twice", TensorProto.FLOAT, ["N", SIDE * SIDE, 5]),
        ],
        constants,
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)]
    body = [helper.make_node("Add", ["x", "x"], ["y"])]
    twice = helper.make_function(DOMAIN, "Twice", ["x"], ["y"], body, opsets[:1])
    return helper.make_model(graph, opset_imports=opsets, functions=[twice], ir_version=10)


def tensors_of(model: onnx.ModelProto, condition: np.ndarray, names: list[str]) -> list[np.ndarray]:
    """What ONNX's reference implementation computes for them."""
    from onnx.reference import ReferenceEvaluator

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    del watched.graph.output[:]
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    return ReferenceEvaluator(watched).run(names, {"condition": condition})


def maker(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if name in node.output)


def node_called(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.name == name)


def constant(model: onnx.ModelProto, name: str) -> np.ndarray:
    return numpy_helper.to_array(next(tensor for tensor in model.graph.initializer if tensor.name == name))
