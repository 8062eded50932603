"""Where Q/DQ nodes stand, what they hold, and that the graph computes what they say."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto
from quantized_graphs import CHANNELS, SIDE, constant, maker, node_called, residual_graph, tensors_of
from tensorrt_operators import faults
from tiny_engine import tiny_generator

from dynast_deploy.errors import DynastError
from dynast_deploy.export.float16 import to_float16
from dynast_deploy.export.model import build_model
from dynast_deploy.export.quantizable import Part, QuantizableLayer, convolution_share, find_layers
from dynast_deploy.export.quantize import as_scales, quantize, quantized_weight, shared_sums
from dynast_deploy.formats.onnx_model import ModelMetadata, split_encoder_renderer
from dynast_deploy.formats.precision import EIGHT_BITS, Precision

RANGES = {"condition": 1.0, "skipped": 8.0, "sum": 40.0, "modulated": 900.0}


def small() -> tuple[onnx.ModelProto, list[QuantizableLayer]]:
    model = residual_graph()
    return model, find_layers(model, [])


@pytest.fixture(scope="module")
def tiny() -> tuple[onnx.ModelProto, list[QuantizableLayer]]:
    model = build_model(tiny_generator(), 32, 32, "pose", "0" * 64)
    return model, find_layers(model, ModelMetadata.read(model, "tiny").cut_tensors)


def test_layers_are_found_with_their_sources_and_costs() -> None:
    _, layers = small()
    assert [layer.name for layer in layers] == ["first", "second", "gamma", "beta", "projection", "last"]
    assert [layer.source for layer in layers] == [
        "condition",
        "skipped",
        "sum",
        "sum",
        "modulated",
        "modulated",
    ]
    conv = 2 * CHANNELS * CHANNELS * 9 * SIDE**2
    assert [layer.flops for layer in layers] == [conv] * 4 + [2 * CHANNELS * 5 * SIDE**2, conv * 3 // 4]
    assert layers[-1].part is Part.LAST
    assert convolution_share(layers, {"first", "second"}) == pytest.approx(2 / 4.75)


def test_the_exporters_layers_are_told_apart(tiny: tuple[onnx.ModelProto, list[QuantizableLayer]]) -> None:
    model, layers = tiny
    parts = {part: [layer.name for layer in layers if layer.part is part] for part in Part}
    assert parts[Part.LAST] == ["decoder_10"]
    assert len(parts[Part.LOGITS]) == 16
    assert len(parts[Part.PROJECTION]) == 8
    assert len(parts[Part.CONVOLUTION]) == sum(node.op_type == "Conv" for node in model.graph.node) - 1
    encoder = {layer.name for layer in layers if layer.encoder}
    assert {"encoder_kv.layer1/conv", "transformer_1.1/projection"} <= encoder
    assert encoder.isdisjoint({"encoder_q.layer1/conv", "decoder_10"})


def test_a_layer_reads_a_dequantized_activation_and_weights_of_eight_bits_with_a_scale_for_each_channel() -> (
    None
):
    model, layers = small()
    changed = quantize(model, layers[:2], RANGES)
    conv = node_called(changed, "second")
    activation, weight = (maker(changed, name) for name in conv.input[:2])
    assert (activation.op_type, weight.op_type) == ("DequantizeLinear", "DequantizeLinear")
    quantizer = maker(changed, activation.input[0])
    assert (quantizer.op_type, quantizer.input[0]) == ("QuantizeLinear", "skipped.pad")
    assert list(activation.input[1:]) == list(quantizer.input[1:])
    assert constant(changed, quantizer.input[1]) == as_scales(8 / 127)
    assert constant(changed, quantizer.input[2]) == np.int8(0)
    assert constant(changed, quantizer.input[2]).dtype == np.int8
    assert next(a.i for a in weight.attribute if a.name == "axis") == 0
    values, scales, zeros = (constant(changed, name) for name in weight.input)
    assert (values.dtype, values.shape, scales.shape) == (np.int8, (CHANNELS, CHANNELS, 3, 3), (CHANNELS,))
    assert not zeros.any()
    assert np.abs(values).max() == 127
    error = np.abs(values * scales[:, None, None, None] - constant(model, "second.weight"))
    assert (error <= scales[:, None, None, None] * 0.51).all()
    assert "second.weight" not in {tensor.name for tensor in changed.graph.initializer}
    assert constant(changed, "gamma.weight").dtype == np.float32


def test_a_projection_has_its_scales_along_its_outputs() -> None:
    model, layers = small()
    changed = quantize(model, [layer for layer in layers if layer.name == "projection"], RANGES)
    weight = maker(changed, node_called(changed, "projection").input[1])
    assert next(a.i for a in weight.attribute if a.name == "axis") == 1
    assert constant(changed, weight.input[1]).shape == (5,)


def test_layers_of_one_input_share_one_pair() -> None:
    model, layers = small()
    changed = quantize(model, layers[2:4], RANGES)
    assert node_called(changed, "gamma").input[0] == node_called(changed, "beta").input[0]
    assert sum(node.op_type == "QuantizeLinear" for node in changed.graph.node) == 1


def test_a_sum_reads_eight_bits_with_the_same_scale_where_nothing_else_needs_the_float_form() -> None:
    model, layers = small()
    convs = layers[:4]
    assert shared_sums(model.graph, convs) == {"sum": [0]}
    changed = quantize(model, convs, RANGES)
    skip = maker(changed, maker(changed, node_called(changed, "sum").input[0]).input[0])
    border = maker(changed, maker(changed, node_called(changed, "second").input[0]).input[0])
    assert (skip.input[0], border.input[0]) == ("skipped", "skipped.pad")
    assert skip.input[1] == border.input[1]
    # The sum's own result is read by quantized layers alone, but by no other sum.
    assert list(node_called(changed, "sum").input)[1] == "second"


def test_a_sum_stays_float_where_a_float_layer_reads_the_same() -> None:
    model, layers = small()
    without_second = [layer for layer in layers if layer.name != "second"]
    assert shared_sums(model.graph, without_second) == {}
    assert list(node_called(quantize(model, without_second, RANGES), "sum").input) == ["skipped", "second"]


@pytest.mark.parametrize("number_format", EIGHT_BITS)
def test_the_graph_computes_what_its_scales_say(number_format: Precision) -> None:
    if number_format is Precision.FP8:
        pytest.importorskip("ml_dtypes", reason="FP8 numbers come with it; onnx brings it from 1.18 on")
    model, layers = small()
    condition = np.random.default_rng(1).random((2, CHANNELS, SIDE, SIDE), np.float32)
    changed = quantize(model, layers[:1], {"condition": 0.5}, number_format)
    onnx.checker.check_model(changed, full_check=True)
    (found,) = tensors_of(changed, condition, ["first"])
    values, scales = quantized_weight(constant(model, "first.weight"), 0, number_format)
    weight = values.astype(np.float32) * scales[:, None, None, None]
    step = float(as_scales(0.5 / number_format.largest))
    scaled = np.clip(condition / step, -number_format.largest, number_format.largest)
    if number_format is Precision.INT8:
        rounded = np.minimum(np.rint(condition / step), 127) * step
    else:
        rounded = scaled.astype(values.dtype).astype(np.float32) * step
    padded = np.pad(rounded, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (2, 3))
    np.testing.assert_allclose(found, np.einsum("nchwij,ocij->nohw", windows, weight), rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize("number_format", EIGHT_BITS)
def test_whole_engines_pass_the_full_check_with_their_functions_and_metadata_untouched(
    tiny: tuple[onnx.ModelProto, list[QuantizableLayer]], number_format: Precision
) -> None:
    model, layers = tiny
    chosen = [layer for layer in layers if layer.part in (Part.CONVOLUTION, Part.PROJECTION)]
    changed = quantize(model, chosen, {layer.source: 1.0 for layer in layers}, number_format)
    onnx.checker.check_model(changed, full_check=True)
    attention = [
        [node.SerializeToString() for node in each.graph.node if node.domain] for each in (model, changed)
    ]
    assert attention[0]
    assert attention[0] == attention[1]
    assert list(changed.metadata_props) == list(model.metadata_props)
    assert {entry.version for entry in changed.opset_import if not entry.domain} == {19}
    opsets = {entry.version for function in changed.functions for entry in function.opset_import}
    assert opsets == {19}
    assert list(changed.graph.input) == list(model.graph.input)
    assert changed.ByteSize() < 0.75 * model.ByteSize()
    # Logits, norms, confidence and the picture's last convolution read no quantized tensor.
    by_name = {node.name: node for node in changed.graph.node}
    for layer in layers:
        if layer.part in (Part.LOGITS, Part.LAST):
            assert by_name[layer.name].input[0] == layer.input


def test_the_rest_may_be_float16_with_the_same_scales(
    tiny: tuple[onnx.ModelProto, list[QuantizableLayer]],
) -> None:
    model, layers = tiny
    chosen = [layer for layer in layers if layer.part is Part.CONVOLUTION]
    changed = quantize(model, chosen, {layer.source: 0.37 for layer in layers})
    scales = {t.name: t for t in changed.graph.initializer if t.name.endswith(".scale")}
    half = to_float16(changed)
    onnx.checker.check_model(half, full_check=True)
    halved = [t for t in half.graph.initializer if t.name.endswith(".scale.half")]
    assert len(halved) > len(chosen)
    for tensor in halved:
        assert tensor.data_type == TensorProto.FLOAT16
        before = onnx.numpy_helper.to_array(scales[tensor.name.removesuffix(".half")])
        assert (onnx.numpy_helper.to_array(tensor) == before).all()
    types = {
        v.name: v.type.tensor_type.elem_type
        for v in onnx.shape_inference.infer_shapes(half, strict_mode=True).graph.value_info
    }
    dequantized = [node.output[0] for node in half.graph.node if node.op_type == "DequantizeLinear"]
    assert {types[name] for name in dequantized} == {TensorProto.FLOAT16}


@pytest.mark.parametrize("number_format", EIGHT_BITS)
def test_tensorrts_parser_lists_all_operators_as_supported(
    tiny: tuple[onnx.ModelProto, list[QuantizableLayer]], number_format: Precision
) -> None:
    model, layers = tiny
    changed = quantize(model, layers, {layer.source: 1.0 for layer in layers}, number_format)
    for half in split_encoder_renderer(to_float16(changed), ModelMetadata.read(changed, "tiny")):
        assert faults(half) == []


def test_a_layer_without_a_range_is_an_error() -> None:
    model, layers = small()
    with pytest.raises(DynastError, match="no range for skipped"):
        quantize(model, layers, {"condition": 1.0})


def test_a_tensor_that_is_always_zero_gets_a_scale_that_float16_holds() -> None:
    model, layers = small()
    changed = quantize(model, layers[:1], {"condition": 0.0})
    assert 0 < constant(changed, "condition.scale") == np.float16(constant(changed, "condition.scale"))
