"""Q/DQ nodes, placed where TensorRT fuses them.

A quantized layer reads a dequantized activation (one scale for the tensor, zero point 0) and a dequantized constant
weight (one scale for each output channel). TensorRT moves Q nodes up and DQ nodes down through what only moves values,
fuses the layer with the DQ nodes before it, and what stands before a Q node with that:
https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/quantized-types-explicit-quantization.html

A DQ stands right before its layer, behind the reflected border: moved or not, the layer computes in eight bits. Tensors
that share their values share one scale, whichever way they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from dynast_deploy.errors import DynastError
from dynast_deploy.export.quantizable import QuantizableLayer, readers_of
from dynast_deploy.formats.precision import Precision

OPSET = 19
"""The first in which Q/DQ take float16 as well as float32, and eight-bit floats as well as integers."""
SMALLEST_SCALE = 2.0**-20
"""Of a tensor that is zero; a scale that float16 still tells from zero."""


def quantize(
    model: onnx.ModelProto,
    layers: Sequence[QuantizableLayer],
    ranges: Mapping[str, float],
    number_format: Precision = Precision.INT8,
    share_sums: bool = True,
) -> onnx.ModelProto:
    """A copy of a float32 `model` in which `layers` compute in eight bits.

    `ranges` gives the largest magnitude of each layer's `source`. With `share_sums`, sums read what quantized layers
    read, see `shared_sums`. Scales are rounded to float16, so that a conversion of the rest to float16 changes none.

    Raises:
        DynastError: Where no range was measured for a layer, or the format needs ml_dtypes, which is not installed.
    """
    writer = _Writer(model, ranges, number_format)
    by_name = {layer.name: layer for layer in layers}
    sums = shared_sums(model.graph, layers) if share_sums else {}
    for node in model.graph.node:
        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        if layer := by_name.get(node.name):
            copy.input[0] = writer.activation(layer.input, layer.source)
            copy.input[1] = writer.weight(layer)
        for index in sums.get(node.name, ()):
            copy.input[index] = writer.activation(node.input[index], node.input[index])
        writer.nodes.append(copy)
    return writer.model()


def shared_sums(graph: onnx.GraphProto, layers: Sequence[QuantizableLayer]) -> dict[str, list[int]]:
    """Sums that can read eight bits for nothing: names of `Add` nodes, and which of their inputs.

    Where everything else that reads a tensor is a quantized layer, a sum that reads it too (the skip connection of a
    residual block) is all that keeps its float form in memory. The cut tensors and the picture stay as they are.
    """
    readers, layer_names = readers_of(graph), {layer.name for layer in layers}
    known = {layer.source for layer in layers}
    outputs = {value.name for value in graph.output}
    found: dict[str, list[int]] = {}
    for node in graph.node:
        if node.op_type != "Add":
            continue
        for index, name in enumerate(node.input):
            if name not in known or name in outputs:
                continue
            others = [reader for reader in readers[name] if reader.name != node.name]
            if others and all(_all_quantized(other, readers, layer_names) for other in others):
                found.setdefault(node.name, []).append(index)
    return found


def _all_quantized(node: onnx.NodeProto, readers: dict[str, list[onnx.NodeProto]], layers: set[str]) -> bool:
    """Whether `node` is a quantized layer, a sum, or a border that only such layers read."""
    if node.op_type == "Pad":
        after = readers.get(node.output[0], [])
        return bool(after) and all(reader.name in layers for reader in after)
    return node.name in layers


class _Writer:
    """Collects the new graph's nodes and constants; each pair of Q and DQ is written once."""

    def __init__(self, model: onnx.ModelProto, ranges: Mapping[str, float], number_format: Precision) -> None:
        self._model, self._ranges, self._format = model, ranges, number_format
        self._weights = {tensor.name: tensor for tensor in model.graph.initializer}
        self._written: dict[str, str] = {}
        self._constants: dict[str, onnx.TensorProto] = {}
        self.nodes: list[onnx.NodeProto] = []

    def activation(self, name: str, source: str) -> str:
        """The tensor after Q and DQ with the range of `source`.

        Raises:
            DynastError: Where no range was measured for it.
        """
        if name not in self._written:
            if source not in self._ranges:
                raise DynastError(f"the calibration has no range for {source}; calibrate this model again")
            scale = self._constant(f"{source}.scale", as_scales(self._ranges[source] / self._format.largest))
            zero = self._zero("zero_point", ())
            for kind, entry, out in (
                ("QuantizeLinear", name, "quantized"),
                ("DequantizeLinear", f"{name}.quantized", "dequantized"),
            ):
                self.nodes.append(
                    helper.make_node(kind, [entry, scale, zero], [f"{name}.{out}"], name=f"{name}.{out}")
                )
            self._written[name] = f"{name}.dequantized"
        return self._written[name]

    def weight(self, layer: QuantizableLayer) -> str:
        """The layer's weight in eight bits, after DQ."""
        name = layer.weight
        if name not in self._written:
            values, scales = quantized_weight(
                numpy_helper.to_array(self._weights[name]), layer.axis, self._format
            )
            inputs = [
                self._constant(f"{name}.{self._format}", values),
                self._constant(f"{name}.scale", scales),
                self._zero(f"zero_points_{scales.size}", scales.shape),
            ]
            out = f"{name}.dequantized"
            self.nodes.append(helper.make_node("DequantizeLinear", inputs, [out], name=out, axis=layer.axis))
            self._written[name] = out
        return self._written[name]

    def model(self) -> onnx.ModelProto:
        used = {name for node in self.nodes for name in node.input}
        out, graph = onnx.ModelProto(), self._model.graph
        for field in ("ir_version", "producer_name", "producer_version"):
            setattr(out, field, getattr(self._model, field))
        for repeated in ("opset_import", "functions", "metadata_props"):
            getattr(out, repeated).extend(getattr(self._model, repeated))
        out.graph.name = graph.name
        out.graph.node.extend(self.nodes)
        out.graph.input.extend(graph.input)
        out.graph.output.extend(graph.output)
        out.graph.value_info.extend(graph.value_info)
        out.graph.initializer.extend(tensor for tensor in graph.initializer if tensor.name in used)
        out.graph.initializer.extend(self._constants.values())
        for imports in (out.opset_import, *(function.opset_import for function in out.functions)):
            for entry in imports:
                if entry.domain == "":
                    entry.version = max(entry.version, OPSET)
        return out

    def _zero(self, name: str, shape: tuple[int, ...]) -> str:
        return self._constant(name, nearest(np.zeros(shape, np.float32), self._format))

    def _constant(self, name: str, values: np.ndarray) -> str:
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(values, name)
        return name


def quantized_weight(
    weight: np.ndarray, axis: int, number_format: Precision
) -> tuple[np.ndarray, np.ndarray]:
    """Values of eight bits in the weight's shape, and float32 scales, one for each index along `axis`.

    Raises:
        DynastError: Where the format needs the package ml_dtypes, which is not installed.
    """
    others = tuple(index for index in range(weight.ndim) if index != axis)
    scales = as_scales(np.abs(weight).max(others) / number_format.largest)
    shape = [1] * weight.ndim
    shape[axis] = -1
    scaled = np.clip(weight / scales.reshape(shape), -number_format.largest, number_format.largest)
    return nearest(scaled, number_format), scales


def as_scales(values: Any) -> np.ndarray:
    """Scales as float32 numbers that float16 holds exactly. Of any shape."""
    return np.maximum(np.asarray(values, np.float32).astype(np.float16), np.float16(SMALLEST_SCALE)).astype(
        np.float32
    )


def nearest(values: np.ndarray, number_format: Precision) -> np.ndarray:
    """float32 within the format's range -> the nearest numbers of it. Of any shape; the result has it too.

    Raises:
        DynastError: Where the format needs the package ml_dtypes, which is not installed.
    """
    if hasattr(np, number_format.storage):
        rounded: np.ndarray = np.rint(values).astype(number_format.storage)
        return rounded
    check_can_write(number_format)
    import ml_dtypes

    quantized: np.ndarray = values.astype(getattr(ml_dtypes, number_format.storage))
    return quantized


def check_can_write(number_format: Precision) -> None:
    """Check that the numbers of a precision can be written: onnx before 1.18 does not install what FP8 needs.

    Raises:
        DynastError: Where the package that has them is missing.
    """
    if not hasattr(np, number_format.storage) and find_spec("ml_dtypes") is None:
        raise DynastError(f"writing {number_format.upper()} needs ml_dtypes: pip install ml_dtypes")


def is_quantized(model: onnx.ModelProto) -> bool:
    """Whether the model carries Q/DQ nodes."""
    return any(node.op_type == "QuantizeLinear" for node in model.graph.node)
