"""The float16 form of the graph: the same picture, nothing that overflows, float32 where float16 would show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from checkout import EXAMPLES, ROOT
from held_out import held_out_pairs
from onnx import TensorProto, helper, numpy_helper
from tiny_engine import tiny_generator, write_tiny_engine

from dynast_deploy.errors import DynastError
from dynast_deploy.export.float16 import SENSITIVE, float32_nodes, to_float16
from dynast_deploy.export.model import build_model
from dynast_deploy.export.tensor_extremes import rounded_like_a_gpu, value_ranges
from dynast_deploy.formats.onnx_model import ModelMetadata, load_model, split_encoder_renderer
from dynast_deploy.metrics import psnr
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

onnxruntime = pytest.importorskip("onnxruntime", reason="graphs are run by ONNX Runtime")

EXAMPLE = EXAMPLES / "marionette.onnx"
FLOAT, HALF = TensorProto.FLOAT, TensorProto.FLOAT16


def tiny_half() -> onnx.ModelProto:
    return to_float16(build_model(tiny_generator(), 32, 32, "pose", "0" * 64))


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    return {value.name: value.type.tensor_type.elem_type for value in values}


@pytest.fixture(scope="module")
def half_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("half") / "marionette.fp16.onnx"
    onnx.save(to_float16(load_model(EXAMPLE)), path)
    return path


def test_held_out_pictures_stay_within_45_db_and_nothing_overflows(half_example: Path) -> None:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    run = [
        onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        ).run
        for model in (load_model(EXAMPLE), rounded_like_a_gpu(load_model(half_example)))
    ]
    info = ModelMetadata.read(load_model(EXAMPLE), str(EXAMPLE))
    for feed in held_out_pairs(2, info.height, info.width):
        expected, image = (each(["image"], feed)[0] for each in run)
        assert psnr(image, expected, data_range=2) >= 45
    in_float32 = float32_nodes(load_model(EXAMPLE).graph)
    for measured in value_ranges(load_model(half_example), [feed], onnxruntime_library()):
        assert measured.finite, measured
        assert measured.largest < 65504 / 8 or measured.node in in_float32, measured


@pytest.mark.parametrize("native", [True, False])
def test_the_engine_runs_it(half_example: Path, native: bool) -> None:
    full, half = (
        OnnxRuntimeEngine(path, threads=1, native_attention=native) for path in (EXAMPLE, half_example)
    )
    (feed,) = held_out_pairs(1, full.info.height, full.info.width)
    images = [
        engine.render(engine.encode_exemplar(feed["exemplar"], feed["exemplar_condition"]), feed["condition"])
        for engine in (full, half)
    ]
    assert images[1].dtype == np.float32
    assert psnr(images[1], images[0], data_range=2) >= 45


def test_it_is_half_as_large_and_passes_the_full_check_in_both_halves(half_example: Path) -> None:
    # Position codes depend on constants alone and stay float32.
    assert half_example.stat().st_size < 0.6 * EXAMPLE.stat().st_size
    model = load_model(half_example)
    info = ModelMetadata.read(model, str(half_example))
    assert info.precision == "fp16"
    encoder, renderer = split_encoder_renderer(model, info)
    for half in (model, encoder, renderer):
        onnx.checker.check_model(half, full_check=True)
    assert {value.type.tensor_type.elem_type for value in encoder.graph.output} == {HALF}
    outside = [*model.graph.input, *model.graph.output]
    assert {value.type.tensor_type.elem_type for value in outside} == {FLOAT}


def test_what_is_sensitive_computes_in_float32_and_the_rest_in_float16() -> None:
    model = tiny_half()
    types = types_of(model)
    in_half = set()
    for node in model.graph.node:
        kinds = {types.get(name) for name in [*node.input, *node.output]} & {FLOAT, HALF}
        if node.op_type in SENSITIVE:
            assert HALF not in kinds, node.name
        elif node.op_type in ("Conv", "InterScaleAttention", "InnerScaleAttention", "LeakyRelu", "Pad"):
            assert kinds == {HALF}, node.name
            in_half.add(node.op_type)
    assert len(in_half) == 5
    epsilons = [
        node
        for node in model.graph.node
        if node.op_type == "Add" and makes(model, node.input[0]) == "ReduceL2"
    ]
    assert len(epsilons) == 4 + 8
    assert {types[node.output[0]] for node in epsilons} == {FLOAT}
    small = {tensor.name: tensor for tensor in model.graph.initializer}
    assert {numpy_helper.to_array(small[node.input[1]]).item() for node in epsilons} == {np.float32(1e-10)}


def test_quantized_weights_and_activations_become_float16_around_eight_bits() -> None:
    scale = numpy_helper.from_array(np.float32(0.5), "scale")
    zero = numpy_helper.from_array(np.int8(0), "zero")
    weight = numpy_helper.from_array(np.ones((1, 1, 1, 1), np.int8), "weight")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"], name="q"),
        helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["activation"], name="dq"),
        helper.make_node("DequantizeLinear", ["weight", "scale", "zero"], ["dequantized"], name="weight_dq"),
        helper.make_node("Conv", ["activation", "dequantized"], ["y"], name="conv"),
    ]
    x, y = (helper.make_tensor_value_info(name, FLOAT, [1, 1, 2, 2]) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y], [scale, zero, weight])
    opset = [helper.make_opsetid("", 19)]
    model = to_float16(helper.make_model(graph, opset_imports=opset, ir_version=10))
    onnx.checker.check_model(model, full_check=True)
    types = types_of(model)
    assert types["activation"] == types["dequantized"] == HALF
    assert types["y"] == FLOAT
    assert types["q"] == TensorProto.INT8


def makes(model: onnx.ModelProto, name: str) -> str | None:
    return next((node.op_type for node in model.graph.node if name in node.output), None)


def test_layers_that_are_named_stay_float32() -> None:
    conv = "decoder_10"
    model = to_float16(build_model(tiny_generator(), 32, 32, "pose", "0" * 64), keep=[conv])
    types = types_of(model)
    node = next(node for node in model.graph.node if node.name == conv)
    assert {types[name] for name in (node.input[0], node.output[0])} == {FLOAT}
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == node.input[1])
    assert weight.data_type == FLOAT
    onnx.checker.check_model(model, full_check=True)


@pytest.mark.parametrize(
    ("value", "message"), [(7e4, "has values up to 7e\\+04"), (np.nan, "has values that are not numbers")]
)
def test_weights_beyond_float16_are_an_error_with_the_layers_name(value: float, message: str) -> None:
    model = build_model(tiny_generator(), 32, 32, "pose", "0" * 64)
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "decoder_10.weight")
    values = numpy_helper.to_array(weight).copy()
    values.flat[3] = value
    weight.CopyFrom(numpy_helper.from_array(values, weight.name))
    with pytest.raises(DynastError, match=f"layer decoder_10: its weight decoder_10.weight {message}"):
        to_float16(model)


def test_a_model_is_converted_once() -> None:
    with pytest.raises(DynastError, match="float16 already"):
        to_float16(tiny_half())


def test_ranges_show_overflow_and_underflow() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["square"], name="square"),
        helper.make_node("Sub", ["square", "square"], ["nothing"], name="nothing"),
    ]
    x, y = (helper.make_tensor_value_info(name, HALF, [3]) for name in ("x", "nothing"))
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(helper.make_graph(nodes, "g", [x], [y]), opset_imports=opset, ir_version=10)
    fine, overflown = (
        value_ranges(model, [{"x": np.array(values, np.float16)}])
        for values in ([0, -2, 0.5], [300, 1e-5, 1])
    )
    assert [(r.node, r.largest, r.smallest, r.finite) for r in fine] == [
        ("square", 4.0, 0.25, True),
        ("nothing", 0.0, 0.0, True),
    ]
    assert [r.finite for r in overflown] == [False, False]


def test_the_exporter_writes_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    engine = write_tiny_engine(tmp_path)
    script = ROOT / "export" / "to_onnx.py"
    command = [sys.executable, script, engine.with_suffix(".pth"), "-o", tmp_path / "half.onnx", "--fp16"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ModelMetadata.read(load_model(tmp_path / "half.onnx"), "half.onnx").precision == "fp16"
