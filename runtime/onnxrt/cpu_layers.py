"""The network's layers as operators of our library on maps `[N, H, W, C]`: no borders, no norms, no layout between.

A convolution takes its reflected border, activation and residual with it; norm, modulation and what follows them are
one pass (plugins/README.md). Tokens `[N, L, C]`, which attention reads and writes, are such maps already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import onnx
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.formats.onnx_model import DOMAIN
from dynast_deploy.runtime.onnxrt.graph_pattern import Op, Reader, op

BORDER = [0, 0, 1, 1, 0, 0, 1, 1]


def normed(x: Op | str) -> Op:
    """`export.modulation.positional_norm`"""
    centred = op("Sub", x, op("ReduceMean", x, [1], keepdims=1))
    squares = op("ReduceSumSquare", centred, [1], keepdims=1)
    return op("Div", centred, op("Sqrt", op("Add", op("Mul", squares, "per_channel"), 1e-8)))


def activated(x: Op) -> Op:
    """A pattern with an activation after it."""
    return op("LeakyRelu|Relu", x, called="activation")


def written_once(pattern: Op) -> Op:
    """Nothing else reads the pattern's result."""
    return Op(pattern.types, pattern.inputs, pattern.having, pattern.called, alone=True)


CONVOLVED = op("Conv", op("Pad", "input", BORDER, mode="reflect"), "kernel", "bias", called="convolution")
SUMMED = op("Add", "residual", written_once(CONVOLVED), alone=True)
MODULATED = op("Add", op("Mul", "gamma", normed("input")), "beta", alone=True)
DOUBT = op("Reshape", op("Sub", 1.0, "confidence"), "doubt_shape")
ATTENDED = op("Reshape", op("Transpose", "attended", perm=[0, 2, 1]), "map_shape")
MIXED = op("Add", op("Add", ATTENDED, op("Mul", DOUBT, MODULATED)), "input")
UPSAMPLED = op(
    "Resize", "input", "", [1.0, 1.0, 2.0, 2.0], mode="linear", coordinate_transformation_mode="align_corners"
)
TOKENS = op("Transpose", op("Reshape", "input", "flat_shape"), perm=[0, 2, 1])


@dataclass(frozen=True)
class CpuLayer:
    """Where `pattern` is found, `operator` takes the tensors found as `inputs`, with the attributes that `describe`
    reads there, or None where the operator does not apply."""

    operator: str
    pattern: Op
    inputs: tuple[str, ...]
    describe: Callable[[Reader, dict[str, str]], dict[str, Any] | None]


def convolution(reader: Reader, found: dict[str, str]) -> dict[str, Any] | None:
    """Attributes of the operator for a 3x3 convolution of stride 1 or 2; None for others."""
    kernel, described = reader.constants.get(found["kernel"]), reader.attributes(found["convolution"])
    strides = described.pop("strides", [1, 1])
    if kernel is None or kernel.data_type != TensorProto.FLOAT or list(kernel.dims[2:]) != [3, 3]:
        return None
    if strides not in ([1, 1], [2, 2]) or described != {"kernel_shape": [3, 3]}:
        return None
    return {"stride": strides[0], **activation(reader, found)}


def activation(reader: Reader, found: dict[str, str]) -> dict[str, float]:
    """The attribute for the slope below zero: 1 where nothing follows, 0 for ReLU."""
    if "activation" not in found:
        return {"slope": 1.0}
    is_leaky = reader.makers[found["activation"]].op_type == "LeakyRelu"
    return {"slope": reader.attributes(found["activation"]).get("alpha", 0.01) if is_leaky else 0.0}


def modulation(reader: Reader, found: dict[str, str]) -> dict[str, Any] | None:
    """Attributes of the operator for a normalised map with gamma and beta; None where its variance is another."""
    return activation(reader, found) if has_unbiased_variance(reader, found) else None


def fusion(reader: Reader, found: dict[str, str]) -> dict[str, Any] | None:
    """The same for a modulation that is mixed with what attention found."""
    return {} if has_unbiased_variance(reader, found) else None


def has_unbiased_variance(reader: Reader, found: dict[str, str]) -> bool:
    """Whether the norm divides by one channel less than there are."""
    channels = reader.channels.get(found["input"], 0)
    return channels > 1 and reader.has_value(found["per_channel"], 1 / (channels - 1))


def instance_norm(reader: Reader, found: dict[str, str]) -> dict[str, Any] | None:
    """Attributes of the operator for an instance norm."""
    return {"epsilon": reader.attributes(found["normed"]).get("epsilon", 1e-5)}


def upsampling(reader: Reader, found: dict[str, str]) -> dict[str, Any] | None:
    """The operator for upsampling has no attributes."""
    return {}


CONVOLUTION, MODULATION = ("input", "kernel", "bias"), ("input", "gamma", "beta")
# A modulation stands before the sum of a map and a convolution, which it is too.
LAYERS = (
    CpuLayer("Modulation", activated(MODULATED), MODULATION, modulation),
    CpuLayer("Fusion", normed(MIXED), (*MODULATION, "attended", "confidence"), fusion),
    CpuLayer("Convolution", activated(SUMMED), (*CONVOLUTION, "residual"), convolution),
    CpuLayer("Convolution", activated(written_once(CONVOLVED)), CONVOLUTION, convolution),
    CpuLayer("Convolution", CONVOLVED, CONVOLUTION, convolution),
    CpuLayer(
        "InstanceNorm",
        op("InstanceNormalization", "input", "scale", "bias", called="normed"),
        ("input", "scale", "bias"),
        instance_norm,
    ),
    CpuLayer("Upsampling", UPSAMPLED, ("input",), upsampling),
)
MAPS = {"input", "residual", "gamma", "beta"}
"""Of a layer's inputs, those that are maps."""


def channels_last(graph: onnx.GraphProto) -> bool:
    """Every layer that is a pattern of `LAYERS`, by our operators; changed in place.

    Graphs with a convolution that is none of them, such as those of another precision, stay as they are: then False.
    """
    rewriter = _Rewriter(graph)
    nodes = rewriter.rewrite()
    if any(node.op_type == "Conv" for node in nodes):
        return False
    del graph.node[:]
    graph.node.extend(nodes)
    return True


class _Rewriter:
    """Writes a graph's nodes anew, layers on maps `[N, H, W, C]` and all else as it was."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._graph, self._reader = graph, Reader(graph)
        self._nodes: list[onnx.NodeProto] = []
        self._last: set[str] = set()  # maps that there are as [N, H, W, C], by their names as [N, C, H, W]
        self._first = {value.name for value in [*graph.input, *graph.initializer]}

    def rewrite(self) -> list[onnx.NodeProto]:
        for node in self._graph.node:
            if not (self._layer(node) or self._tokens(node) or self._pointwise(node)):
                for name in node.input:
                    self._as_first(name)
                self._nodes.append(node)
                self._first.update(node.output)
        for value in self._graph.output:
            self._as_first(value.name)
        return _needed(self._nodes, [value.name for value in self._graph.output])

    def _layer(self, node: onnx.NodeProto) -> bool:
        for layer in LAYERS:
            found = self._reader.find(layer.pattern, node.output[0])
            attributes = layer.describe(self._reader, found) if found is not None else None
            if found is None or attributes is None:
                continue
            # Of a convolution's kernel the type is known; the maps of others are float32 if they come from one.
            maps = {found[name] for name in layer.inputs if name in MAPS}
            if layer.operator != "Convolution" and not maps <= self._last:
                continue
            inputs = [self._as_last(found[name]) if name in MAPS else found[name] for name in layer.inputs]
            self._write(layer.operator, inputs, node, domain=DOMAIN, **attributes)
            return True
        return False

    def _tokens(self, node: onnx.NodeProto) -> bool:
        """`[N, H, W, C]` as `[N, H*W, C]`, which moves nothing."""
        found = self._reader.find(TOKENS, node.output[0])
        sizes = self._reader.values(found["flat_shape"]) if found is not None else None
        if found is None or sizes is None or len(sizes) != 3 or found["input"] not in self._last:
            return False
        shape = numpy_helper.from_array(sizes[[0, 2, 1]], f"{node.name}.token_shape")
        self._graph.initializer.append(shape)
        inputs = [_last(found["input"]), shape.name]
        self._nodes.append(helper.make_node("Reshape", inputs, node.output, name=node.name))
        self._first.update(node.output)
        return True

    def _pointwise(self, node: onnx.NodeProto) -> bool:
        if node.op_type not in ("Add", "Tanh") or not self._last.issuperset(node.input):
            return False
        self._write(node.op_type, [_last(name) for name in node.input], node)
        return True

    def _write(self, operator: str, inputs: list[str], node: onnx.NodeProto, **attributes: Any) -> None:
        (name,) = node.output
        self._nodes.append(helper.make_node(operator, inputs, [_last(name)], name=node.name, **attributes))
        self._last.add(name)

    def _as_last(self, name: str) -> str:
        if name not in self._last:
            self._transpose(name, _last(name), [0, 2, 3, 1])
            self._last.add(name)
        return _last(name)

    def _as_first(self, name: str) -> None:
        if name in self._last - self._first:
            self._transpose(_last(name), name, [0, 3, 1, 2])
            self._first.add(name)

    def _transpose(self, source: str, target: str, order: list[int]) -> None:
        self._nodes.append(
            helper.make_node("Transpose", [source], [target], name=f"{target}.transpose", perm=order)
        )


def _last(name: str) -> str:
    return f"{name}.last"


def _needed(nodes: list[onnx.NodeProto], outputs: list[str]) -> list[onnx.NodeProto]:
    """Those that the outputs depend on, in order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if not wanted.isdisjoint(node.output):
            wanted.update(node.input)
            kept.append(node)
    return kept[::-1]
