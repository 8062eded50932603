"""Bytes at the graph's ends: the same bytes as around the float32 graph."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from tiny_engine import tiny_generator

from dynast_deploy.conditions import picture_tensor, tensor_picture
from dynast_deploy.export.float16 import to_float16
from dynast_deploy.export.model import build_model
from dynast_deploy.formats.onnx_model import ModelMetadata, split_encoder_renderer
from dynast_deploy.formats.uint8_io import with_uint8_io

onnxruntime = pytest.importorskip("onnxruntime", reason="graphs are run by ONNX Runtime")


def run(model: onnx.ModelProto, feed: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_bytes_in_and_out_are_those_of_the_float_graph(precision: str) -> None:
    def model() -> onnx.ModelProto:
        built = build_model(tiny_generator(), 32, 32, "pose", "0" * 64)
        return to_float16(built) if precision == "fp16" else built

    info = ModelMetadata.read(model(), "tiny")
    floats, bytes_ = (
        split_encoder_renderer(model(), info),
        tuple(map(with_uint8_io, split_encoder_renderer(model(), info))),
    )
    for half in bytes_:
        onnx.checker.check_model(half, full_check=True)
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (32, 32, 3), np.uint8)
    conditions = rng.integers(0, 256, (3, 1, 20, 32, 32), np.uint8)
    inputs = {"exemplar": picture_tensor(photo, 32)[None], "exemplar_condition": conditions[0]}
    tensors = run(floats[0], inputs | {"exemplar_condition": np.divide(conditions[0], 255, dtype=np.float32)})
    same = run(bytes_[0], inputs | {"exemplar": np.ascontiguousarray(photo.transpose(2, 0, 1))[None]})
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(same[name], tensor)
    for condition in conditions[1:]:
        expected = run(floats[1], tensors | {"condition": np.divide(condition, 255, dtype=np.float32)})
        image = run(bytes_[1], tensors | {"condition": condition})["image"]
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image[0].transpose(1, 2, 0), tensor_picture(expected["image"][0]))


def test_every_level_is_rounded_and_cut_as_the_runtime_does() -> None:
    identity = onnx.helper.make_node("Identity", ["x"], ["image"])
    shape = [1, 3, 8, 128]
    x, image = (onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "image"))
    graph = onnx.helper.make_graph([identity], "g", [x], [image])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=10)
    edges = np.float32(np.arange(-100, 412) / np.float32(127.5) - 1)
    halfway = np.float32((np.arange(-128, 384) + 0.5) / 127.5 - 1)
    values = np.concatenate([edges, halfway, -edges, -halfway, edges, halfway]).reshape(shape)
    rounded = run(with_uint8_io(model), {"x": values})["image"][0].transpose(1, 2, 0)
    np.testing.assert_array_equal(rounded, tensor_picture(values[0]))
    assert {0, 255} < set(rounded.ravel().tolist())
