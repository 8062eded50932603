"""What TensorRT's ONNX parser takes of the operators that our graphs use.

Written after the support matrix of the parser for TensorRT 10.15, which also says what a type or an attribute may be:
https://github.com/onnx/onnx-tensorrt/blob/main/docs/operators.md
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, inliner, numpy_helper

OPSETS = range(9, 25)
MOST_FOR_TOP_K = 3839

_REALS = {TensorProto.FLOAT, TensorProto.FLOAT16}
_NUMBERS = _REALS | {TensorProto.INT32, TensorProto.INT64}
_ANY = _NUMBERS | {TensorProto.BOOL}
_REDUCTIONS = ("ReduceL2", "ReduceMean", "ReduceSum", "ReduceSumSquare")

_BY_TYPES: list[tuple[set[int], str]] = [
    (
        _REALS,
        "Clip Conv InstanceNormalization LeakyRelu MatMul QuantizeLinear Resize Round Softmax Sqrt Tanh",
    ),
    (_NUMBERS, "Add Div Greater Max Min Mod Mul Pad Range Relu Sub TopK " + " ".join(_REDUCTIONS)),
    (_ANY, "Concat Expand Gather GatherElements Reshape Shape Slice Split Squeeze Transpose Unsqueeze"),
    (_ANY | {TensorProto.UINT8}, "Cast CastLike"),
    ({TensorProto.INT8, TensorProto.FLOAT8E4M3FN}, "DequantizeLinear"),
]
TYPES = {name: types for types, names in _BY_TYPES for name in names.split()}
"""Types that an operator takes as its first input."""

CHOICES = {
    ("Resize", "mode"): {"nearest", "linear"},
    ("Resize", "coordinate_transformation_mode"): {
        "half_pixel", "pytorch_half_pixel", "tf_half_pixel_for_nn", "asymmetric", "align_corners",
    },
    ("Resize", "antialias"): {0},
    ("Resize", "keep_aspect_ratio_policy"): {"stretch"},
    ("TopK", "sorted"): {1},
    ("Pad", "mode"): {"constant", "reflect", "edge"},
}  # fmt: skip
"""Values that an attribute may have where not every value will do."""

CONSTANT_INPUTS = dict.fromkeys((*_REDUCTIONS, "Squeeze", "Unsqueeze"), 1)
"""Inputs that have to be known when the engine is built."""


def faults(model: onnx.ModelProto) -> list[str]:
    """One line for everything in the graph, functions included, that the parser does not list as supported."""
    graph = onnx.shape_inference.infer_shapes(inliner.inline_local_functions(model)).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    types = {tensor.name: tensor.data_type for tensor in graph.initializer}
    values = [*graph.value_info, *graph.input, *graph.output]
    types |= {value.name: value.type.tensor_type.elem_type for value in values}
    outside = {value.name for value in [*graph.input, *graph.output]}
    found = [
        f"opset {entry.version}"
        for entry in model.opset_import
        if not entry.domain and entry.version not in OPSETS
    ]
    for name, kind in types.items():
        if kind == TensorProto.UINT8 and name not in outside:
            found.append(f"{name}: UINT8 within the graph")
    for node in graph.node:
        if node.op_type == "Constant":
            value = onnx.helper.get_attribute_value(node.attribute[0])
            constants[node.output[0]] = (
                numpy_helper.to_array(value) if isinstance(value, TensorProto) else np.array(value)
            )
            continue
        found += [f"{node.name} ({node.op_type}): {fault}" for fault in _faults_of(node, types, constants)]
    return found


def _faults_of(node: onnx.NodeProto, types: dict[str, int], constants: dict[str, Any]) -> Iterator[str]:
    if node.op_type not in TYPES or node.domain not in ("", "ai.onnx"):
        yield "not supported"
        return
    kind = types.get(node.input[0], TensorProto.UNDEFINED)
    if kind not in TYPES[node.op_type]:
        yield f"takes no {TensorProto.DataType.Name(kind)}"
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        value = value.decode() if isinstance(value, bytes) else value
        choices = CHOICES.get((node.op_type, attribute.name))
        if choices is not None and value not in choices:
            yield f"{attribute.name} is {value}"
    index = CONSTANT_INPUTS.get(node.op_type)
    if index is not None and len(node.input) > index and node.input[index] not in constants:
        yield f"input {index} is computed"
    if node.op_type == "TopK" and np.any(constants.get(node.input[1], 0) > MOST_FOR_TOP_K):
        yield "K is too large"
    if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
        zero = constants.get(node.input[2]) if len(node.input) > 2 else 0
        if zero is None or np.any(np.asarray(zero, np.float32)):
            yield "its zero point is not zero"
