"""The ONNX Runtime operators against the reference, through models of one node."""

from __future__ import annotations

import functools

import numpy as np
import onnxruntime
import pytest
import torch
from attention_layers import Layer, a_layer, assert_same_matches, in_type, layers, relative_error
from hypothesis import given, settings
from onnx import TensorProto, helper
from torch import Tensor

from dynast_deploy.attention import dense_attention
from dynast_deploy.attention_interface import Attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu as build
from dynast_deploy.plugins.native_build import onnxruntime_headers

INPUTS = ("query", "query_prune", "key", "key_prune", "value", "matches")
OUTPUTS = ("attended", "confidence", "next_matches")


@functools.cache
def why_not_built() -> str | None:
    """Build the operators if need be; the reason if that cannot be done here."""
    if onnxruntime_library() is not None:
        return None
    try:
        target = build.target_folder(library.ONNXRUNTIME) / library.file_name(library.ONNXRUNTIME)
        if build.find_compiler() is None:
            return "no C++ compiler to build the operators with"
        headers = build.units(library.ONNXRUNTIME)
    except DynastError as error:
        return str(error)
    build.compile_libraries({target: headers})
    return None


@pytest.fixture(autouse=True)
def _built() -> None:
    reason = why_not_built()
    if reason is not None:
        pytest.skip(reason)


def model(scale: str, attributes: dict[str, float], half: bool) -> bytes:
    """A model of one attention node, with the attributes for TensorRT that exported models carry too."""
    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    name = {"inter": "InterScaleAttention", "inner": "InnerScaleAttention", "dense": "DenseAttention"}[scale]
    inputs = INPUTS[:-1] if scale == "dense" else INPUTS
    extra = {"plugin_namespace": "dynast", "plugin_version": "1", "aot": 1}
    node = helper.make_node(name, inputs, OUTPUTS, domain="dynast", **attributes, **extra)
    values = {
        side: [
            helper.make_tensor_value_info(n, TensorProto.INT32 if "matches" in n else kind, None)
            for n in names
        ]
        for side, names in (("inputs", inputs), ("outputs", OUTPUTS))
    }
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("dynast", 1)]
    graph = helper.make_graph([node], "one_attention", **values)
    return helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()


def session(
    scale: str, attributes: dict[str, float], half: bool, threads: int = 2
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # refused inputs are logged as errors, and raised
    options.register_custom_ops_library(str(onnxruntime_library()))
    return onnxruntime.InferenceSession(model(scale, attributes, half), options, ["CPUExecutionProvider"])


def operate(layer: Layer, tensors: dict[str, Tensor], threads: int = 2) -> Attention:
    feeds = {name: tensors[name].numpy() for name in INPUTS[:-1]}
    feeds["matches"] = layer.matches().int().numpy()
    half = tensors["query"].dtype == torch.float16
    attended, confidence, best = map(
        torch.from_numpy, session(layer.scale, layer.settings, half, threads).run(None, feeds)
    )
    return Attention(attended, confidence, best)


@settings(max_examples=30, deadline=None)
@given(layer=layers())
def test_float32_equals_the_reference(layer: Layer) -> None:
    tensors = layer.tensors()
    expected, actual = layer.reference(tensors), operate(layer, in_type(tensors, torch.float32))
    for name in ("attended", "confidence"):
        assert getattr(actual, name).shape == getattr(expected, name).shape
        assert relative_error(getattr(actual, name), getattr(expected, name)) < 1e-5, name
    assert actual.matches.dtype == torch.int32
    assert_same_matches(layer, tensors, actual.matches.long(), expected.matches)


@settings(max_examples=30, deadline=None)
@given(layer=layers(temperatures=(0.3, 1.0)))
def test_float16_errs_at_most_twice_as_much_as_the_plain_computation(layer: Layer) -> None:
    tensors = layer.tensors()
    halves = in_type(tensors, torch.float16)
    expected, plain, actual = layer.reference(tensors), layer.reference(halves), operate(layer, halves)
    assert actual.attended.dtype == torch.float16
    for name in ("attended", "confidence"):
        error = relative_error(getattr(actual, name), getattr(expected, name))
        rounding = 2.0**-11  # of the result alone, which the plain computation may miss by luck
        assert error <= max(2 * relative_error(getattr(plain, name), getattr(expected, name)), rounding), name
    assert_same_matches(layer, tensors, actual.matches.long(), expected.matches)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_dense_attention_equals_the_reference(dtype: torch.dtype) -> None:
    layer = a_layer(temperature=0.3)
    tensors = {name: x for name, x in layer.tensors().items() if name != "warp_source"}
    low = in_type(tensors, dtype)
    running = session("dense", {"top_k": 4, "temperature": 0.3}, half=dtype == torch.float16)
    attended, confidence, matches = running.run(None, {name: x.numpy() for name, x in low.items()})
    expected, plain = (dense_attention(**x, top_k=4, temperature=0.3) for x in (tensors, low))
    for name, array in (("attended", attended), ("confidence", confidence)):
        error = relative_error(torch.from_numpy(array), getattr(expected, name))
        assert error <= max(1e-5, 2 * relative_error(getattr(plain, name), getattr(expected, name)))
    assert (torch.from_numpy(matches) == expected.matches).float().mean() > 0.99


def test_dense_attention_refuses_what_does_not_fit_together() -> None:
    running = session("dense", {"top_k": 4, "temperature": 0.3}, half=False)
    feeds = {name: layer_input.float().numpy() for name, layer_input in a_layer().tensors().items()}
    del feeds["warp_source"]
    feeds["value"] = feeds["value"][:, :-1]
    with pytest.raises(
        Exception, match=r"DenseAttention: value has shape \[1, 76, 18\].* it has to be \[1, 77, 18\]"
    ):
        running.run(None, feeds)


@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_results_do_not_depend_on_the_number_of_threads(scale: str) -> None:
    layer = a_layer(scale=scale, query_size=(26, 18))
    tensors = in_type(layer.tensors(), torch.float32)
    one, three = (operate(layer, tensors, threads) for threads in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one[:3], three[:3], strict=True))


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"query_width": 10}, "query has 117 tokens, which is not a multiple of query_width 10"),
        ({"key_width": 0}, "key_width 0"),
        ({"key_width": 1 << 40}, "key_width -1"),
        ({"top_k": 21}, "at most 16 are supported"),
        ({"top_k": 6, "matches": np.zeros((2, 117, 1), np.int32)}, "top_k 6 is more than the 5 candidates"),
        ({"temperature": -1.0}, "temperature has to be positive"),
        (
            {"query": zeros(2, 117, 21, 1)},
            r"query has shape \[2, 117, 21, 1\]; it has to have three dimensions",
        ),
        ({"query": zeros(2, 0, 21)}, r"query has shape \[2, 0, 21\], which is empty"),
        (
            {"query_prune": zeros(2, 116, 5)},
            r"query_prune has shape \[2, 116, 5\].* it has to be \[2, 117, 5\]",
        ),
        ({"key": zeros(3, 77, 21)}, r"key_prune has shape \[1, 77, 5\].* it has to be \[3, 77, 5\]"),
        ({"key_prune": zeros(1, 77, 4)}, r"key_prune has shape \[1, 77, 4\].* it has to be \[1, 77, 5\]"),
        ({"value": zeros(1, 76, 18)}, r"value has shape \[1, 76, 18\].* it has to be \[1, 77, 18\]"),
        ({"matches": np.zeros((2, 116, 4), np.int32)}, r"matches has shape \[2, 116, 4\]"),
        ({"matches": np.full((2, 117, 4), 77, np.int32)}, r"matches\[0, 0, 0\] is 77"),
        ({"matches": np.full((2, 117, 4), -1, np.int32)}, r"matches\[0, 0, 0\] is -1"),
    ],
)
def test_malformed_input_is_refused_with_its_shape(changes: dict[str, object], words: str) -> None:
    layer = a_layer()
    feeds = {name: layer.tensors()[name].float().numpy() for name in INPUTS[:-1]}
    feeds["matches"] = layer.matches().int().numpy()
    attributes = {name: changes.get(name, value) for name, value in layer.settings.items()}
    feeds.update({name: array for name, array in changes.items() if name in INPUTS})
    running = session("inner", attributes, half=False)
    with pytest.raises(Exception, match=f"InnerScaleAttention: .*{words}"):
        running.run(None, feeds)


def test_exemplars_are_1_or_one_for_each_frame() -> None:
    layer = a_layer(frames=3, exemplars=2)
    feeds = {name: layer.tensors()[name].float().numpy() for name in INPUTS[:-1]}
    with pytest.raises(Exception, match="2 exemplars for 3 frames"):
        session("inner", layer.settings, half=False).run(
            None, {**feeds, "matches": layer.matches().int().numpy()}
        )


def test_a_missing_attribute_is_named_when_the_model_is_loaded() -> None:
    attributes = {name: value for name, value in a_layer().settings.items() if name != "top_k"}
    with pytest.raises(Exception, match="top_k"):
        session("inner", attributes, half=False)


def test_headers_that_the_user_names_have_to_be_there(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setenv(onnxruntime_headers.VARIABLE, str(tmp_path))
    with pytest.raises(DynastError, match="DYNAST_ORT_INCLUDE is .* no onnxruntime_cxx_api.h"):
        onnxruntime_headers.find_headers(tmp_path)  # type: ignore[arg-type]


def test_headers_of_an_older_api_are_not_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    folder = library.Path(str(tmp_path))
    (folder / "onnxruntime_cxx_api.h").touch()
    (folder / "onnxruntime_c_api.h").write_text("#define ORT_API_VERSION 20\n")
    monkeypatch.setenv(onnxruntime_headers.VARIABLE, str(folder))
    with pytest.raises(DynastError, match="API version 21 or later"):
        onnxruntime_headers.find_headers(folder)
