"""float16 storage and arithmetic for `model.onnx`, float32 where float16 would show.

float32 stay the statistics and divisions of norms, the unit length of features with its 1e-10 (zero in float16), the
dense attention's logits and softmax, the last tanh, what depends on constants alone (runtimes fold it when they load
the file), and whatever else the caller names. The sparse attention nodes take float16 tensors; operators, plugins and
function bodies compute in float32 whatever the storage type. Inputs and the image stay float32 outside, so that the
file is used like any other; the cut tensors become float16. Quantized layers keep their eight bits.

TensorRT from 11 on knows no precision but what the graph says, so `dynast build-engine --fp16` builds this too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.onnx_model import DOMAIN
from dynast_deploy.formats.precision import Precision

LARGEST = float(np.finfo(np.float16).max)
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16
SENSITIVE = frozenset(
    {"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2", "Sqrt", "InstanceNormalization"}
    | {"Softmax", "TopK", "Greater", "Tanh"}
)
"""Operators that compute in float32. What stands between them does so too: `float32_nodes`."""

_ELEMENTWISE = frozenset({"Add", "Sub", "Mul", "Div", "Cast"})
_ENDS = frozenset({"Div", "InstanceNormalization", "Tanh"})
"""What follows these is not part of a norm."""

_NOT_FLOAT = {"Shape": {0}, "TopK": {1}, "Greater": {0}, "QuantizeLinear": {0}}
"""Outputs that are not floating-point tensors, by operator."""

_MATCHES_INPUT, _MATCHES_OUTPUT = 5, 2
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_HALF_SCALES_FROM = 19
"""The opset from which on quantization takes float16 scales."""


def is_half(model: onnx.ModelProto) -> bool:
    """Whether any weights are float16, whatever the metadata says, which other tools leave as it was."""
    return any(tensor.data_type == HALF for tensor in model.graph.initializer)


def to_float16(model: onnx.ModelProto, keep: Collection[str] = ()) -> onnx.ModelProto:
    """`model`, changed in place: float32 tensors become float16 but for what the module says.

    Nodes whose names are in `keep` compute in float32 too. Weights have to be inside the model. The precision FP32 in
    its metadata becomes FP16; another one, of a quantized model, stays.

    Raises:
        DynastError: Names the layer for weights that float16 cannot hold; and for a model that was converted before.
    """
    if is_half(model):
        raise DynastError("the model is float16 already; convert the float32 file it came from")
    kept = float32_nodes(model.graph) | set(keep)
    opset = next(entry.version for entry in model.opset_import if not entry.domain)
    if opset < _HALF_SCALES_FROM:
        kept |= {node.name for node in model.graph.node if node.op_type in _QUANTIZERS}
    _Conversion(model.graph, kept).run()
    for entry in model.metadata_props:
        if entry.key == "dynast.precision" and entry.value == f'"{Precision.FP32}"':
            entry.value = f'"{Precision.FP16}"'
    return model


def float32_nodes(graph: onnx.GraphProto) -> set[str]:
    """Names of the nodes that stay float32."""
    makers = {name: node for node in graph.node for name in node.output}
    constant = {tensor.name for tensor in graph.initializer}
    kept, folded = set[str](), set[str]()
    for node in graph.node:
        if node.op_type not in _QUANTIZERS and constant.issuperset(filter(None, node.input)):
            constant.update(node.output)
            folded.add(node.name)
            continue
        follows = any(
            makers[name].name in kept and makers[name].op_type not in _ENDS
            for name in node.input
            if name in makers
        )
        if node.op_type in SENSITIVE or (node.op_type in _ELEMENTWISE and follows):
            kept.add(node.name)
    for node in graph.node:
        # The products whose results are compared or go into an exponential, and the scale before them.
        if node.op_type in ("Softmax", "Greater") and (product := makers.get(node.input[0])) is not None:
            before = [makers[name] for name in product.input if name in makers]
            kept.add(product.name)
            kept |= {scale.name for scale in before if scale.op_type in _ELEMENTWISE}
    return kept | folded


class _Conversion:
    """Walks the graph in order and knows of every tensor whether it is there in float32, in float16 or in both."""

    def __init__(self, graph: onnx.GraphProto, kept: set[str]) -> None:
        self.graph, self.kept = graph, kept
        self.weights = {tensor.name: tensor for tensor in graph.initializer if tensor.data_type == FLOAT}
        self.values = {value.name: value for value in graph.value_info}
        self.types: dict[str, int] = dict.fromkeys(self.weights, FLOAT)
        self.types |= {value.name: value.type.tensor_type.elem_type for value in graph.input}
        self.casts: dict[tuple[str, int], str] = {}
        self.nodes: list[onnx.NodeProto] = []

    def run(self) -> None:
        outputs = {value.name for value in self.graph.output if value.type.tensor_type.elem_type == FLOAT}
        for node in self.graph.node:
            wanted = FLOAT if node.name in self.kept else HALF
            for index in self.float_inputs(node):
                node.input[index] = self.as_type(node.input[index], wanted, node.name)
            self.nodes.append(node)
            for index, name in enumerate(node.output):
                self.types[name] = self.output_type(node, index, wanted)
                if name in outputs and self.types[name] == HALF:
                    node.output[index] = f"{name}.half"
                    self.nodes.append(self.cast(node.output[index], name, FLOAT))
                    self.types[name] = FLOAT
        for name, value in self.values.items():
            if value.type.tensor_type.elem_type == FLOAT:
                value.type.tensor_type.elem_type = self.types.get(name, FLOAT)
        used = {name for node in self.nodes for name in node.input}
        initializers = [tensor for tensor in self.graph.initializer if tensor.name in used]
        del self.graph.node[:], self.graph.initializer[:]
        self.graph.node.extend(self.nodes)
        self.graph.initializer.extend(initializers)

    def float_inputs(self, node: onnx.NodeProto) -> Iterator[int]:
        """Inputs of `node` that are floating-point tensors of the type it computes in."""
        if node.op_type == "Cast":
            return
        # A Resize takes its scales in float32 whatever it resizes.
        last = 1 if node.op_type == "Resize" else len(node.input)
        for index, name in enumerate(node.input[:last]):
            if self.types.get(name) in (FLOAT, HALF):
                yield index

    def output_type(self, node: onnx.NodeProto, index: int, computed_in: int) -> int:
        """Element type of an output; UNDEFINED stands for every type that is not floating point."""
        if node.op_type == "Cast":
            to = next(attribute.i for attribute in node.attribute if attribute.name == "to")
            return int(to) if to in (FLOAT, HALF) else TensorProto.UNDEFINED
        if node.domain == DOMAIN:
            return TensorProto.UNDEFINED if index == _MATCHES_OUTPUT else computed_in
        if index in _NOT_FLOAT.get(node.op_type, ()):
            return TensorProto.UNDEFINED
        floats = [self.types.get(name) in (FLOAT, HALF) for name in node.input]
        return computed_in if any(floats) else TensorProto.UNDEFINED

    def as_type(self, name: str, wanted: int, reader: str) -> str:
        """The name under which the tensor is there in a type; one cast or one converted weight serves all readers."""
        if self.types[name] == wanted:
            return name
        if (name, wanted) in self.casts:
            return self.casts[name, wanted]
        converted = f"{name}.{'half' if wanted == HALF else 'float32'}"
        if name in self.weights:
            self.graph.initializer.append(half_weight(self.weights[name], converted, reader))
        else:
            self.nodes.append(self.cast(name, converted, wanted))
            if name in self.values:
                value = self.graph.value_info.add()
                value.CopyFrom(self.values[name])
                value.name, value.type.tensor_type.elem_type = converted, wanted
        self.types[converted] = wanted
        self.casts[name, wanted] = converted
        return converted

    def cast(self, source: str, target: str, to: int) -> onnx.NodeProto:
        return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=to)


def half_weight(tensor: onnx.TensorProto, name: str, layer: str) -> onnx.TensorProto:
    """A weight of the layer called `layer` in float16, under `name`.

    Raises:
        DynastError: Where it holds what float16 does not.
    """
    values = numpy_helper.to_array(tensor)
    largest = float(np.abs(values).max(initial=0))
    if not largest <= LARGEST:
        what = (
            f"has values up to {largest:.3g}" if np.isfinite(largest) else "has values that are not numbers"
        )
        raise DynastError(
            f"layer {layer}: its weight {tensor.name} {what}, and float16 ends at {LARGEST:.0f}; keep this layer in "
            "float32, or build with --fp32"
        )
    return numpy_helper.from_array(np.asarray(values, np.float16), name)
