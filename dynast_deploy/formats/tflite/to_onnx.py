"""A TensorFlow Lite network as an ONNX model.

Pictures are NHWC in the one format and NCHW in the other: inside the ONNX model every tensor of four dimensions
is NCHW, and its inputs and outputs are transposed, so that they look as they do in the file.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.tflite.graph import Graph, Operation, Operator, read_graph

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
OPSET = 17
ACTIVATIONS = {1: "Relu", 3: "Relu6"}
"""Activations that other operators carry inside them; 0 is none."""
PADDINGS = {0: "SAME_UPPER", 1: "VALID"}


def onnx_of_tflite(data: bytes, source: str) -> onnx.ModelProto:
    """The ONNX model, float32, that computes what the TensorFlow Lite file with these contents does.

    Inputs and outputs keep order, shape and meaning; weights of 16 bits and sparse ones become float32.

    Raises:
        DynastError: Names `source`, as `read_graph` does, and where an operator is used in a way that is not
            supported.
    """
    try:
        return _Translation(read_graph(data, source)).model()
    except (KeyError, IndexError, ValueError, TypeError, OverflowError, struct.error) as error:
        raise DynastError(f"{source}: a network that is not supported here ({error})") from None


class _Translation:
    """One network on its way: ONNX nodes and constants so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        # Values of tensors known without running anything, as they are in the file.
        self.known = {n: t.values for n, t in enumerate(graph.tensors) if t.values is not None}

    def model(self) -> onnx.ModelProto:
        """Translate everything."""
        inputs, outputs = [], []
        for number in self.graph.inputs:
            shape = self.shape(number)
            inputs.append(helper.make_tensor_value_info(f"input_{number}", TensorProto.FLOAT, shape))
            self.layout(f"input_{number}", self.name(number), len(shape), TO_NCHW)
        for operator in self.graph.operators:
            TRANSLATIONS[operator.operation](self, operator)
        for number in self.graph.outputs:
            shape = self.shape(number)
            outputs.append(helper.make_tensor_value_info(f"output_{number}", TensorProto.FLOAT, shape))
            self.layout(self.name(number), f"output_{number}", len(shape), TO_NHWC)
        constants = [numpy_helper.from_array(values, name) for name, values in self.constants.items()]
        graph = helper.make_graph(self.nodes, "tflite", inputs, outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)

    def shape(self, number: int) -> tuple[int, ...]:
        """As the file has it."""
        return self.graph.tensors[number].shape

    def name(self, number: int) -> str:
        """The tensor's name inside the ONNX model; a constant's is added to it, NCHW where it has four dimensions."""
        name = f"t{number}"
        if number in self.known and name not in self.constants:
            values = self.known[number].astype(np.float32)
            self.constants[name] = np.ascontiguousarray(
                values.transpose(TO_NCHW) if values.ndim == 4 else values
            )
        return name

    def value(self, number: int) -> np.ndarray:
        """A constant's values.

        Raises:
            ValueError: Where it is not constant.
        """
        if number not in self.known:
            raise ValueError("an operator's setting is computed")
        return self.known[number]

    def constant(self, values: np.ndarray) -> str:
        """Name of a new constant."""
        name = f"c{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(values)
        return name

    def add(
        self, kind: str, inputs: Sequence[str], output: int, activation: int = 0, **attributes: Any
    ) -> None:
        """A node that computes tensor `output`, and the activation that the operator carries."""
        name = self.name(output)
        if not activation:
            self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
            return
        before = f"{name}_linear"
        self.nodes.append(helper.make_node(kind, inputs, [before], **attributes))
        if ACTIVATIONS[activation] == "Relu6":
            limits = [self.constant(np.array(limit, np.float32)) for limit in (0, 6)]
            self.nodes.append(helper.make_node("Clip", [before, *limits], [name]))
        else:
            self.nodes.append(helper.make_node("Relu", [before], [name]))

    def layout(self, old: str, new: str, dimensions: int, order: tuple[int, ...]) -> None:
        """`new` is `old`, transposed where it has four dimensions."""
        if dimensions == 4:
            self.nodes.append(helper.make_node("Transpose", [old], [new], perm=order))
        else:
            self.nodes.append(helper.make_node("Identity", [old], [new]))

    def channels_last(self, number: int, rank: int) -> str:
        """A tensor that meets another of `rank` dimensions: a constant of fewer lies along the channels."""
        values = self.known.get(number)
        if values is None or rank != 4 or values.ndim in (0, 4):
            return self.name(number)
        whole = values.astype(np.float32).reshape((1,) * (4 - values.ndim) + values.shape)
        return self.constant(whole.transpose(TO_NCHW))


def _decoded(to: _Translation, operator: Operator) -> None:
    """DEQUANTIZE of float16 and DENSIFY: constants are read whole and in float32 anyway."""
    to.known[operator.outputs[0]] = to.value(operator.inputs[0]).astype(np.float32)


def _convolution(to: _Translation, operator: Operator) -> None:
    picture, weights, *bias = operator.inputs
    depthwise = operator.operation is Operation.DEPTHWISE_CONV_2D
    later = 1 if depthwise else 0  # the depth multiplier comes in between
    kernel = to.value(weights).astype(np.float32)
    kernel = kernel.transpose(3, 0, 1, 2) if depthwise else kernel.transpose(TO_NCHW)
    inputs = [to.name(picture), to.constant(kernel)]
    if bias and bias[0] >= 0:
        inputs.append(to.name(bias[0]))
    to.add(
        "Conv",
        inputs,
        operator.outputs[0],
        operator.option(3 + later, "b"),
        auto_pad=PADDINGS[operator.option(0, "b")],
        strides=[operator.option(2), operator.option(1)],
        dilations=[operator.option(5 + later, default=1), operator.option(4 + later, default=1)],
        group=to.shape(picture)[3] if depthwise else 1,
    )


def _pooling(to: _Translation, operator: Operator) -> None:
    to.add(
        "MaxPool",
        [to.name(operator.inputs[0])],
        operator.outputs[0],
        operator.option(5, "b"),
        auto_pad=PADDINGS[operator.option(0, "b")],
        strides=[operator.option(2), operator.option(1)],
        kernel_shape=[operator.option(4), operator.option(3)],
    )


def _arithmetic(kind: str) -> Callable[[_Translation, Operator], None]:
    def translate(to: _Translation, operator: Operator) -> None:
        rank = len(to.shape(operator.outputs[0]))
        inputs = [to.channels_last(number, rank) for number in operator.inputs]
        to.add(kind, inputs, operator.outputs[0], operator.option(0, "b"))

    return translate


def _simple(kind: str) -> Callable[[_Translation, Operator], None]:
    return lambda to, operator: to.add(kind, [to.name(operator.inputs[0])], operator.outputs[0])


def _prelu(to: _Translation, operator: Operator) -> None:
    picture, slope = operator.inputs
    to.add("PRelu", [to.name(picture), to.channels_last(slope, len(to.shape(picture)))], operator.outputs[0])


def _padding(to: _Translation, operator: Operator) -> None:
    amounts = to.value(operator.inputs[1]).astype(np.int64)
    if len(amounts) == 4:
        amounts = amounts[list(TO_NCHW)]
    to.add("Pad", [to.name(operator.inputs[0]), to.constant(amounts.T.ravel())], operator.outputs[0])


def _reshape(to: _Translation, operator: Operator) -> None:
    old, new = operator.inputs[0], operator.outputs[0]
    flat, shaped = f"t{new}_flat", f"t{new}_shaped"
    to.layout(to.name(old), flat, len(to.shape(old)), TO_NHWC)
    target = to.constant(np.array(to.shape(new), np.int64))
    to.nodes.append(helper.make_node("Reshape", [flat, target], [shaped]))
    to.layout(shaped, to.name(new), len(to.shape(new)), TO_NCHW)


def _concatenation(to: _Translation, operator: Operator) -> None:
    rank = len(to.shape(operator.outputs[0]))
    axis = operator.option(0) % rank
    axis = TO_NCHW.index(axis) if rank == 4 else axis
    names = [to.name(number) for number in operator.inputs]
    to.add("Concat", names, operator.outputs[0], operator.option(1, "b"), axis=axis)


def _resize(to: _Translation, operator: Operator) -> None:
    mode = (
        "align_corners"
        if operator.option(2, "b")
        else "half_pixel"
        if operator.option(3, "b")
        else "asymmetric"
    )
    _, height, width, channels = to.shape(operator.outputs[0])
    sizes = to.constant(np.array([1, channels, height, width], np.int64))
    to.add(
        "Resize",
        [to.name(operator.inputs[0]), "", "", sizes],
        operator.outputs[0],
        mode="linear",
        coordinate_transformation_mode=mode,
    )


def _depth_to_space(to: _Translation, operator: Operator) -> None:
    to.add(
        "DepthToSpace",
        [to.name(operator.inputs[0])],
        operator.outputs[0],
        blocksize=operator.option(0),
        mode="DCR",
    )


TRANSLATIONS: dict[Operation, Callable[[_Translation, Operator], None]] = {
    Operation.ADD: _arithmetic("Add"),
    Operation.MUL: _arithmetic("Mul"),
    Operation.CONCATENATION: _concatenation,
    Operation.CONV_2D: _convolution,
    Operation.DEPTHWISE_CONV_2D: _convolution,
    Operation.DEPTH_TO_SPACE: _depth_to_space,
    Operation.DEQUANTIZE: _decoded,
    Operation.DENSIFY: _decoded,
    Operation.LOGISTIC: _simple("Sigmoid"),
    Operation.RELU: _simple("Relu"),
    Operation.MAX_POOL_2D: _pooling,
    Operation.RESHAPE: _reshape,
    Operation.RESIZE_BILINEAR: _resize,
    Operation.PAD: _padding,
    Operation.PRELU: _prelu,
}
