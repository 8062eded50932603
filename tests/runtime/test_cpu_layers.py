"""Layers by our operators compute what the exported operators compute, which ONNX Runtime runs here as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from dynast_deploy.export.attention_functions import OPSET
from dynast_deploy.export.float16 import to_float16
from dynast_deploy.export.graph import Graph
from dynast_deploy.export.modulation import positional_norm
from dynast_deploy.formats.onnx_model import DOMAIN
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.onnxrt.cpu_layers import channels_last

pytestmark = pytest.mark.skipif(onnxruntime_library() is None, reason="native operators are not built")
rng = np.random.default_rng(0)
FIRST_STATE = rng.bit_generator.state
SIZE = (7, 10)
"""Of the maps where nothing else is said."""


def convolved(graph: Graph, x: str, inner: int, outer: int, stride: int = 1) -> str:
    weight = rng.standard_normal((outer, inner, 3, 3), np.float32) / np.float32(inner**0.5)
    return graph.conv3x3(
        graph.reflected(x), weight, rng.standard_normal(outer, np.float32), "conv", stride=stride
    )


def convolution(graph: Graph, x: str, channels: int) -> str:
    return convolved(graph, x, channels, channels + 3)


def halving(graph: Graph, x: str, channels: int) -> str:
    return convolved(graph, x, channels, channels, stride=2)


def rectified(graph: Graph, x: str, channels: int) -> str:
    return graph.op("Relu", convolved(graph, x, channels, 5))


def residual(graph: Graph, x: str, channels: int) -> str:
    d = graph.op("LeakyRelu", convolved(graph, x, channels, channels), alpha=0.3)
    return graph.op("LeakyRelu", graph.op("Add", x, convolved(graph, d, channels, channels)), alpha=-0.2)


def spade(graph: Graph, x: str, channels: int) -> tuple[str, str]:
    """A map and its modulated norm."""
    maps = [convolved(graph, x, channels, channels) for _ in range(3)]
    normed = positional_norm(graph, maps[0], channels)
    return maps[0], graph.op("Add", graph.op("Mul", maps[1], normed), maps[2])


def modulation(graph: Graph, x: str, channels: int) -> str:
    return graph.op("LeakyRelu", spade(graph, x, channels)[1], alpha=0.1)


def fusion(graph: Graph, x: str, channels: int) -> str:
    x, modulated = spade(graph, x, channels)
    attended = graph.reshape(graph.transpose("attended", 0, 2, 1), [0, channels, *SIZE])
    doubt = graph.reshape(graph.op("Sub", graph.constant(1.0), "confidence"), [0, 1, *SIZE])
    mixed = graph.op("Add", attended, graph.op("Mul", doubt, modulated))
    return positional_norm(graph, graph.op("Add", mixed, x), channels)


def instance_norm(graph: Graph, x: str, channels: int) -> str:
    weights = [graph.constant(rng.standard_normal(channels, np.float32)) for _ in range(2)]
    return graph.op("InstanceNormalization", convolved(graph, x, channels, channels), *weights, epsilon=1e-3)


def upsampling(graph: Graph, x: str, channels: int) -> str:
    mode = {"mode": "linear", "coordinate_transformation_mode": "align_corners"}
    scales = graph.constant([1.0, 1.0, 2.0, 2.0])
    return graph.op("Resize", convolved(graph, x, channels, channels), "", scales, **mode)


def tokens(graph: Graph, x: str, channels: int) -> str:
    flat = graph.reshape(convolved(graph, x, channels, channels), [0, channels, -1])
    return graph.op("Relu", graph.transpose(flat, 0, 2, 1))


LAYERS = {
    convolution: {"Convolution": 1, "Transpose": 2},
    halving: {"Convolution": 1, "Transpose": 2},
    rectified: {"Convolution": 1, "Transpose": 2},
    residual: {"Convolution": 2, "Transpose": 2},
    modulation: {"Convolution": 3, "Modulation": 1, "Transpose": 2},
    fusion: {"Convolution": 3, "Fusion": 1, "Transpose": 2},
    instance_norm: {"Convolution": 1, "InstanceNorm": 1, "Transpose": 2},
    upsampling: {"Convolution": 1, "Upsampling": 1, "Transpose": 2},
    tokens: {"Convolution": 1, "Reshape": 1, "Relu": 1, "Transpose": 1},
}
"""With the operators that are left of each; transposes stand at the ends."""


def a_model(layer: Callable[[Graph, str, int], str], channels: int) -> onnx.ModelProto:
    graph = Graph()
    result = layer(graph, "x", channels)
    inputs = {"x": (None,) * 4}
    if layer is fusion:
        inputs |= {"attended": (None,) * 3, "confidence": (None,) * 3}
    made = helper.make_graph(
        graph.nodes,
        "layer",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(result, TensorProto.FLOAT, None)],
        list(graph.initializers.values()),
        value_info=list(graph.value_info.values()),
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray], threads: int = 1) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    options.register_custom_ops_library(str(onnxruntime_library()))
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    return session.run(None, {value.name: feeds[value.name] for value in session.get_inputs()})[0]


def feeds_for(channels: int, batch: int, size: tuple[int, int]) -> dict[str, np.ndarray]:
    length = size[0] * size[1]
    return {
        "x": rng.standard_normal((batch, channels, *size), np.float32),
        "attended": rng.standard_normal((batch, length, channels), np.float32),
        "confidence": rng.random((batch, length, 1), np.float32),
    }


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 2e-5 * np.abs(expected).max()


@pytest.mark.parametrize("layer", LAYERS)
@settings(max_examples=8, deadline=None)
@given(
    batch=st.integers(1, 2),
    channels=st.integers(2, 37),
    size=st.tuples(st.integers(2, 21), st.integers(2, 21)),
)
def test_each_layer_equals_the_operators_it_replaces(
    layer: Callable[[Graph, str, int], str], batch: int, channels: int, size: tuple[int, int]
) -> None:
    rng.bit_generator.state = FIRST_STATE  # so that an example is the same when it is tried again
    size = SIZE if layer is fusion else size
    if layer in (modulation, fusion):
        channels += 6  # of two or three alike, rounding decides which a norm makes the larger
    model, feeds = a_model(layer, channels), feeds_for(channels, batch, size)
    expected = run(model, feeds)
    assert channels_last(model.graph)
    assert Counter(node.op_type for node in model.graph.node) == LAYERS[layer]
    assert_close(run(model, feeds), expected)


def test_a_kernel_too_large_for_the_caches_gives_the_same() -> None:
    model, feeds = a_model(residual, 350), feeds_for(350, 2, (5, 6))
    expected = run(model, feeds)
    assert channels_last(model.graph)
    assert_close(run(model, feeds), expected)


@pytest.mark.parametrize("layer", LAYERS)
def test_results_do_not_depend_on_the_number_of_threads(layer: Callable[[Graph, str, int], str]) -> None:
    size = SIZE if layer is fusion else (33, 18)
    model, feeds = a_model(layer, 21), feeds_for(21, 2, size)
    channels_last(model.graph)
    np.testing.assert_array_equal(run(model, feeds, threads=1), run(model, feeds, threads=3))


def test_a_graph_of_another_precision_stays_as_it_is() -> None:
    model = to_float16(a_model(residual, 4))
    before = model.SerializeToString()
    assert not channels_last(model.graph)
    assert model.SerializeToString() == before


def other_stride(node: onnx.NodeProto) -> None:
    node.attribute.append(helper.make_attribute("dilations", [2, 2]))


def other_border(node: onnx.NodeProto) -> None:
    node.attribute[0].s = b"edge"


@pytest.mark.parametrize(("operator", "change"), [("Conv", other_stride), ("Pad", other_border)])
def test_a_convolution_of_another_kind_keeps_the_graph_as_it_is(
    operator: str, change: Callable[[onnx.NodeProto], None]
) -> None:
    model = a_model(residual, 4)
    change(next(node for node in model.graph.node if node.op_type == operator))
    before = model.SerializeToString()
    assert not channels_last(model.graph)
    assert model.SerializeToString() == before


def test_a_norm_with_the_biased_variance_keeps_its_own_operators() -> None:
    model, feeds = a_model(modulation, 5), feeds_for(5, 1, SIZE)
    scale = next(
        tensor for tensor in model.graph.initializer if tensor.float_data[:] or len(tensor.raw_data) == 4
    )
    scale.raw_data = np.float32(1 / 5).tobytes()
    expected = run(model, feeds)
    assert channels_last(model.graph)
    assert "Modulation" not in {node.op_type for node in model.graph.node}
    assert_close(run(model, feeds), expected)


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


MAP, SMALL = zeros(1, 4, 5, 6), zeros(1, 4, 5, 3)


@pytest.mark.parametrize(
    ("operator", "inputs", "attributes", "words"),
    [
        (
            "Convolution",
            [zeros(4, 5, 6), zeros(3, 6, 3, 3), zeros(3)],
            {},
            r"input has shape \[4, 5, 6\].* 4 dim",
        ),
        (
            "Convolution",
            [zeros(1, 1, 5, 6), zeros(3, 6, 3, 3), zeros(3)],
            {},
            r"\[1, 1, 5, 6\].* reflected border",
        ),
        (
            "Convolution",
            [MAP, zeros(3, 5, 3, 3), zeros(3)],
            {},
            r"kernel has shape \[3, 5, 3, 3\].*\[3, 6, 3, 3\]",
        ),
        ("Convolution", [MAP, zeros(3, 6, 3, 3), zeros(4)], {}, r"bias has shape \[4\].*\[3\]"),
        (
            "Convolution",
            [MAP, zeros(3, 6, 3, 3), zeros(3), MAP],
            {},
            r"residual has shape \[1, 4, 5, 6\].*, 5, 3\]",
        ),
        (
            "Convolution",
            [MAP, zeros(3, 6, 3, 3), zeros(3), SMALL],
            {"stride": 2},
            r"residual has shape .* has to be \[1, 2, 3, 3\]",
        ),
        ("Convolution", [MAP, zeros(3, 6, 3, 3), zeros(3)], {"stride": 3}, "attribute stride is 3"),
        ("Modulation", [MAP, SMALL, MAP], {}, r"gamma has shape \[1, 4, 5, 3\]"),
        ("Modulation", [zeros(1, 4, 5, 1)] * 3, {}, "has one channel"),
        ("Fusion", [MAP, MAP, MAP, zeros(1, 19, 6), zeros(1, 20, 1)], {}, r"attended has shape \[1, 19, 6\]"),
        ("Fusion", [MAP, MAP, MAP, zeros(1, 20, 6), zeros(1, 20)], {}, r"confidence has shape \[1, 20\]"),
        ("InstanceNorm", [MAP, zeros(5), zeros(6)], {}, r"scale has shape \[5\]"),
        ("Upsampling", [zeros(1, 0, 5, 6)], {}, r"input has shape \[1, 0, 5, 6\], which is empty"),
    ],
)
def test_malformed_input_is_refused_with_its_shape(
    operator: str, inputs: list[np.ndarray], attributes: dict[str, int], words: str
) -> None:
    written = {
        "Convolution": {"stride": 1, "slope": 1.0, **attributes},
        "Modulation": {"slope": 1.0},
        "InstanceNorm": {"epsilon": 1e-5},
    }
    names = [f"input{index}" for index in range(len(inputs))]
    node = helper.make_node(operator, names, ["y"], domain=DOMAIN, **written.get(operator, {}))
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in [*names, "y"]]
    graph = helper.make_graph([node], "one", values[:-1], values[-1:])
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    with pytest.raises(Exception, match=f"{operator}: .*{words}"):
        run(model, dict(zip(names, inputs, strict=True)))
