"""What of a graph can compute in eight bits: its convolutions and projections, and why a layer does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import prod

import onnx

from dynast_deploy.errors import DynastError

PASSED_THROUGH = frozenset({"Pad", "Reshape", "Transpose", "Slice"})
"""Operators that move values and make none: what goes in has the range of what comes out."""


class Part(StrEnum):
    """What a layer does in the network, as far as its precision goes."""

    CONVOLUTION = "convolution"
    PROJECTION = "projection"
    LOGITS = "logits"
    """A projection that gives queries, keys or their prune vectors."""
    LAST = "last"
    """The convolution that gives the picture's colours."""


@dataclass(frozen=True)
class QuantizableLayer:
    """A node with constant weights.

    name: of the node; input: the tensor it reads; source: the tensor whose values those are, before a border or a
    reshape; weight: its constant, whose output channels lie along `axis`; flops: of one frame or exemplar, two for a
    multiply-add; encoder: whether it belongs to the exemplar's half.
    """

    name: str
    part: Part
    input: str
    source: str
    weight: str
    axis: int
    flops: int
    encoder: bool


def find_layers(model: onnx.ModelProto, cut_tensors: Iterable[str]) -> list[QuantizableLayer]:
    """The layers of a whole model (both halves), in the order of the graph; nodes of our own domain are left alone.

    Raises:
        DynastError: Where a shape does not follow from the graph, as it does in a file of this project.
    """
    graph = model.graph
    makers = {name: node for node in graph.node for name in node.output}
    readers = readers_of(graph)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    shapes = shapes_of(model)
    encoder = ancestors(cut_tensors, makers)
    found = []
    for node in graph.node:
        if node.domain or node.op_type not in ("Conv", "MatMul") or node.input[1] not in constants:
            continue
        if node.input[0] in constants:  # of two constants, folded when the file is loaded
            continue
        weight, shape = constants[node.input[1]], shapes.get(node.output[0])
        if shape is None:
            raise DynastError(
                f"layer {node.name} has no shape that follows from the graph, so this is not a file as "
                "dynast export writes it; export it again"
            )
        is_convolution = node.op_type == "Conv"
        sums = prod(weight.dims[1:]) if is_convolution else weight.dims[0]
        found.append(
            QuantizableLayer(
                node.name,
                _part(node, graph, readers),
                node.input[0],
                source_of(node.input[0], makers),
                weight.name,
                0 if is_convolution else 1,
                2 * sums * prod(shape),
                node.output[0] in encoder,
            )
        )
    return found


def readers_of(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """The nodes that read each tensor."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    return readers


def source_of(name: str, makers: dict[str, onnx.NodeProto]) -> str:
    """Back through nodes that only move values."""
    while name in makers and makers[name].op_type in PASSED_THROUGH and not makers[name].domain:
        name = makers[name].input[0]
    return name


def matching(layers: Iterable[QuantizableLayer], pattern: str, option: str = "--keep-float") -> set[str]:
    """Names of the layers in which the regular expression is found.

    Raises:
        DynastError: Where it is not a regular expression, or finds no layer; it names `option`, where the expression
            comes from.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DynastError(f"{option} {pattern}: not a regular expression ({error})") from None
    names = {layer.name for layer in layers if expression.search(layer.name)}
    if not names:
        raise DynastError(f"{option} {pattern}: no layer has such a name; dynast sensitivity lists them")
    return names


def convolution_share(layers: Iterable[QuantizableLayer], quantized: set[str]) -> float:
    """The share of the convolutions' FLOPs that is in layers named in `quantized`."""
    convolutions = [layer for layer in layers if layer.part in (Part.CONVOLUTION, Part.LAST)]
    total = sum(layer.flops for layer in convolutions)
    return sum(layer.flops for layer in convolutions if layer.name in quantized) / max(total, 1)


def _part(node: onnx.NodeProto, graph: onnx.GraphProto, readers: dict[str, list[onnx.NodeProto]]) -> Part:
    if node.op_type == "Conv":
        after = readers.get(node.output[0], [])
        return Part.LAST if any(reader.op_type == "Tanh" for reader in after) else Part.CONVOLUTION
    # Queries and keys come with their prune vectors from one product, which is split; values come alone.
    sums = readers.get(node.output[0], [])
    split = any(reader.op_type == "Split" for add in sums for reader in readers.get(add.output[0], []))
    return Part.LOGITS if split else Part.PROJECTION


def ancestors(names: Iterable[str], makers: dict[str, onnx.NodeProto]) -> set[str]:
    """All tensors that the named ones are computed from, themselves included."""
    seen: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in seen:
            seen.add(name)
            pending += makers[name].input if name in makers else []
    return seen


def tensor_bytes(model: onnx.ModelProto) -> dict[str, int]:
    """Bytes of every tensor in float32, for one frame and one exemplar."""
    return {name: 4 * prod(shape) for name, shape in shapes_of(model).items()}


def shapes_of(model: onnx.ModelProto) -> dict[str, list[int]]:
    """Shapes of all tensors for one frame and one exemplar, without the weights' values being copied."""
    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    inferred = onnx.shape_inference.infer_shapes(bare)
    return {
        value.name: [side.dim_value or 1 for side in value.type.tensor_type.shape.dim]
        for value in [*inferred.graph.value_info, *inferred.graph.output, *inferred.graph.input]
    }
