"""The range of every tensor in a graph while it computes: where a narrower type overflows, underflows or has room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from dynast_deploy.onnxruntime_session import import_onnxruntime, make_session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_PARTS = ("largest", "smallest", "total")


@dataclass(frozen=True)
class Range:
    """Magnitudes of one tensor.

    node, op_type: what computes it; largest; smallest: of its values that are not zero (0 where all are); finite:
    whether it holds neither infinities nor NaN, without which the other two say nothing.
    """

    tensor: str
    node: str
    op_type: str
    largest: float
    smallest: float
    finite: bool


def value_ranges(
    model: onnx.ModelProto, feeds: Iterable[Mapping[str, np.ndarray]], library: Path | None = None
) -> list[Range]:
    """Ranges of all floating-point tensors that nodes of `model` compute from `feeds`, in the graph's order.

    Runs in ONNX Runtime on the CPU, which measures each tensor as it comes and keeps none. `library` holds custom
    operators (`plugins.onnxruntime_library()`); without it attention runs as functions, whose inner tensors are not
    shown. Weights have to be inside the model. `feeds` are arrays by the name of the input, with its shape.

    Raises:
        DynastError: Where ONNX Runtime is not installed or cannot run the model.
    """
    onnxruntime = import_onnxruntime("measuring ranges")
    tensors = [(name, node) for name, node, _ in _float_tensors(model)]
    measured = rounded_like_a_gpu(model)
    _add_measurements(measured, [name for name, _ in tensors])
    # Only the casts that kernels need: a fused node would hide what lies inside it.
    session = make_session(
        measured.SerializeToString(),
        operators=library,
        optimize=False,
        plan_memory=False,
        onnxruntime=onnxruntime,
    )
    names = [f"{name}.{part}" for name, _ in tensors for part in _PARTS]
    runs = [np.array(session.run(names, dict(feed)), np.float64).reshape(-1, len(_PARTS)) for feed in feeds]
    ranges = []
    for number, (name, node) in enumerate(tensors):
        largest, smallest, total = (
            np.array([run[number, part] for run in runs]) for part in range(len(_PARTS))
        )
        # A NaN may be lost in a maximum, but not in a sum.
        is_finite = bool(np.isfinite(largest).all() and np.isfinite(total).all())
        reach = float(largest.max())
        ranges.append(
            Range(name, node.name, node.op_type, reach, min(float(smallest.min()), reach), is_finite)
        )
    return ranges


def rounded_like_a_gpu(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose float16 tensors are rounded to float16 by ONNX Runtime on the CPU too, with optimisations off.

    It computes most float16 nodes there in float32, and drops the casts between one and the next. An Identity between
    them, which moves float16 as it is, keeps the casts apart.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    halves = {name for name, _, kind in _float_tensors(model) if kind == TensorProto.FLOAT16}
    nodes = []
    for node in copy.graph.node:
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name in halves:
                node.output[index] = f"{name}.unrounded"
                nodes.append(helper.make_node("Identity", [node.output[index]], [name]))
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    return copy


def _float_tensors(model: onnx.ModelProto) -> list[tuple[str, onnx.NodeProto, int]]:
    """Names of the floating-point tensors, the nodes that compute them, and their element types."""
    inferred = onnx.shape_inference.infer_shapes(_without_large_weights(model))
    kinds = {
        value.name: value.type.tensor_type.elem_type
        for value in [*inferred.graph.value_info, *inferred.graph.output]
    }
    floats = (TensorProto.FLOAT, TensorProto.FLOAT16)
    return [
        (name, node, kinds[name])
        for node in model.graph.node
        for name in node.output
        if kinds.get(name, 0) in floats
    ]


def _without_large_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose large weights are inputs: types are inferred without them."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.initializer[:]
    for tensor in model.graph.initializer:
        if len(tensor.raw_data) > 1024:
            copy.graph.input.append(
                helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims))
            )
        else:
            copy.graph.initializer.append(tensor)
    return copy


def _add_measurements(model: onnx.ModelProto, names: list[str]) -> None:
    """Three numbers for every tensor, each an output: see `_PARTS`."""
    graph = model.graph
    for constant, value in (("zero", 0.0), ("beyond", np.finfo(np.float32).max)):
        graph.initializer.append(numpy_helper.from_array(np.array(value, np.float32), f"ranges.{constant}"))

    def add(op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        graph.node.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    for name in names:
        size = add("Abs", [add("Cast", [name], f"{name}.as_float32", to=TensorProto.FLOAT)], f"{name}.size")
        is_nonzero = add("Greater", [size, "ranges.zero"], f"{name}.is_nonzero")
        nonzero = add("Where", [is_nonzero, size, "ranges.beyond"], f"{name}.nonzero")
        for source, op_type, part in zip(
            (size, nonzero, size), ("ReduceMax", "ReduceMin", "ReduceSum"), _PARTS, strict=True
        ):
            add(op_type, [source], f"{name}.{part}", keepdims=0)
            graph.output.append(helper.make_tensor_value_info(f"{name}.{part}", TensorProto.FLOAT, []))
