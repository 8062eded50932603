"""The graphs that engines are built from use only what TensorRT's ONNX parser lists as supported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tensorrt_operators import faults
from tiny_engine import write_tiny_engine

from dynast_deploy.export.engine_graphs import read_engine_graphs
from dynast_deploy.formats.manifest import BatchSizes
from dynast_deploy.formats.precision import Precision

FLOAT = TensorProto.FLOAT


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16])
@pytest.mark.parametrize("channels", [20, 15, 3])
def test_engine_graphs_are_supported(tmp_path: Path, precision: Precision, channels: int) -> None:
    graphs = read_engine_graphs(write_tiny_engine(tmp_path, channels), precision, BatchSizes(1, 2, 4))
    assert faults(graphs.encoder) == []
    assert faults(graphs.renderer) == []


def one_node(op_type: str, kind: int = FLOAT, constants: dict[str, Any] | None = None, **attributes: Any):
    """A graph of one node, its first input a tensor `x` and the others constants, or inputs where they are None."""
    constants = constants or {}
    outputs = ["y", "indices"] if op_type == "TopK" else ["y"]
    node = helper.make_node(op_type, ["x", *constants], outputs, name="n", **attributes)
    inputs = [helper.make_tensor_value_info("x", kind, [1, 1, 4, 4])]
    inputs += [
        helper.make_tensor_value_info(c, TensorProto.INT64, [1]) for c, v in constants.items() if v is None
    ]
    output = helper.make_tensor_value_info("y", FLOAT, None)
    tensors = [numpy_helper.from_array(np.array(v), c) for c, v in constants.items() if v is not None]
    graph = helper.make_graph([node], "g", inputs, [output], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        (one_node("Det"), "n (Det): not supported"),
        (one_node("Softmax", TensorProto.DOUBLE), "n (Softmax): takes no DOUBLE"),
        (
            one_node("Resize", constants={"roi": np.float32([]), "scales": np.float32([1, 1, 2, 2])}, mode="cubic"),
            "n (Resize): mode is cubic",
        ),
        (one_node("ReduceSum", constants={"axes": None}), "n (ReduceSum): input 1 is computed"),
        (one_node("TopK", constants={"k": np.array([4000])}), "n (TopK): K is too large"),
        (one_node("TopK", constants={"k": np.array([2])}, sorted=0), "n (TopK): sorted is 0"),
        (
            one_node("QuantizeLinear", constants={"scale": np.float32(1), "zero": np.int8(3)}),
            "n (QuantizeLinear): its zero point is not zero",
        ),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_found(model: onnx.ModelProto, fault: str) -> None:
    assert faults(model) == [fault]


def test_bytes_within_a_graph_are_found() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["bytes"], name="in", to=TensorProto.UINT8),
        helper.make_node("Cast", ["bytes"], ["y"], name="out", to=FLOAT),
    ]
    x, y = (helper.make_tensor_value_info(name, FLOAT, [1]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    assert faults(model) == ["bytes: UINT8 within the graph"]
