"""The native attention operator of PyTorch against the reference in float64."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from attention_layers import (
    REFERENCE,
    Layer,
    a_layer,
    assert_same_matches,
    in_type,
    layers,
    relative_error,
)
from golden import golden
from hypothesis import given, settings
from native_kernels import MARKS
from torch import Tensor

from dynast_deploy import attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import native
from dynast_deploy.plugins.pyt import attention as torch_ops

pytestmark = MARKS
OPERATORS = {"inter": torch_ops.inter_scale_attention, "inner": torch_ops.inner_scale_attention}


def operate(layer: Layer, tensors: dict[str, Tensor]) -> attention.Attention:
    return OPERATORS[layer.scale](
        **tensors, matches=layer.matches(), warp_mask=layer.warp_mask, **layer.settings
    )


@settings(max_examples=60, deadline=None)
@given(layer=layers())
def test_forward_equals_the_reference(layer: Layer) -> None:
    tensors = layer.tensors()
    expected, actual = layer.reference(tensors), operate(layer, in_type(tensors, torch.float32))
    for name in ("attended", "confidence", "warped"):
        assert relative_error(getattr(actual, name), getattr(expected, name)) < 1e-5, name
        assert getattr(actual, name).shape == getattr(expected, name).shape
    assert actual.matches.dtype == torch.int64
    assert_same_matches(layer, tensors, actual.matches, expected.matches)


@settings(max_examples=40, deadline=None)
@given(layer=layers())
def test_gradients_equal_the_references(layer: Layer) -> None:
    gradients = []
    for function, dtype in ((layer.reference, torch.float64), (lambda x: operate(layer, x), torch.float32)):
        tensors = in_type(layer.tensors(), dtype, grad=True)
        result = function(tensors)
        generator = torch.Generator().manual_seed(layer.seed + 2)
        loss = sum(
            (x * torch.randn(x.shape, generator=generator).to(dtype)).sum()
            for x in (result.attended, result.confidence, result.warped)
        )
        loss.backward()
        gradients.append({name: tensor.grad for name, tensor in tensors.items()})
    largest = max(float(gradient.abs().max()) for gradient in gradients[0].values())
    for name, expected in gradients[0].items():
        # A gradient that is a sum of large terms which cancel cannot be better than the terms' rounding.
        scale = max(float(expected.abs().max()), 1e-3 * largest)
        assert (gradients[1][name].double() - expected).abs().max() < 1e-4 * scale, name


@pytest.mark.filterwarnings("ignore:Input #:UserWarning")  # of gradcheck, which wishes for float64
@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_gradients_are_those_of_finite_differences(scale: str) -> None:
    layer = a_layer(scale=scale, frames=1, query_size=(2, 2), key_size=(2, 4), channels=3, value_channels=2)
    tensors = in_type(layer.tensors(), torch.float32)
    names = (
        "query",
        "key",
        "value",
        "warp_source",
    )  # the prune vectors' gradient is by design not that of the step

    def function(*inputs: Tensor) -> tuple[Tensor, ...]:
        result = operate(
            replace(layer, temperature=1.0), {**tensors, **dict(zip(names, inputs, strict=True))}
        )
        return result.attended, result.confidence, result.warped

    inputs = [tensors[name].requires_grad_() for name in names]
    assert torch.autograd.gradcheck(function, inputs, eps=1e-2, atol=2e-3, rtol=1e-2)


@settings(max_examples=20, deadline=None)
@given(layer=layers(temperatures=(1e-2, 1e-4)))
def test_extreme_logits_give_finite_results_and_gradients(layer: Layer) -> None:
    tensors = {name: 30 * x if name in ("query", "key") else x for name, x in layer.tensors().items()}
    inputs = in_type(tensors, torch.float32, grad=True)
    result = operate(layer, inputs)
    (result.attended.sum() + result.confidence.sum() + result.warped.sum()).backward()
    for x in (result.attended, result.confidence, result.warped, *(x.grad for x in inputs.values())):
        assert torch.isfinite(x).all()
    assert ((result.confidence >= 0) & (result.confidence <= 1 + 1e-6)).all()
    plain, exact = layer.reference(in_type(tensors, torch.float32)), layer.reference(tensors)
    # A weight changes by as much as its logit does, and float32 rounds a logit of 100000 to steps of 0.008.
    norms = [tensors[name].norm(dim=-1).max().item() for name in ("query", "key")]
    step = torch.finfo(torch.float32).eps * norms[0] * norms[1] / layer.temperature
    for name in ("attended", "confidence"):
        error = relative_error(getattr(result, name), getattr(exact, name))
        plain_error = relative_error(getattr(plain, name), getattr(exact, name))
        assert error <= max(1e-5, 4 * plain_error, step)


@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_results_and_gradients_do_not_depend_on_the_number_of_threads(
    scale: str, set_threads: Callable[[int], None]
) -> None:
    layer = a_layer(scale=scale, query_size=(26, 18))
    results = []
    for threads in (1, 2, 3, 7):
        set_threads(threads)
        tensors = in_type(layer.tensors(), torch.float32, grad=True)
        result = operate(layer, tensors)
        (result.attended.square().sum() + result.confidence.sum() + result.warped.square().sum()).backward()
        results.append([*result, *(tensor.grad for tensor in tensors.values())])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("published", [False, True])
def test_a_query_that_keeps_nothing_has_confidence_0_and_warps_as_the_reference_does(published: bool) -> None:
    layer = a_layer(warp_mask="published" if published else "kept")
    tensors = layer.tensors()
    tensors["query_prune"], tensors["key_prune"] = -tensors["query_prune"].abs(), tensors["key_prune"].abs()
    expected, actual = layer.reference(tensors), operate(layer, in_type(tensors, torch.float32))
    assert (actual.attended == 0).all()
    assert (actual.confidence == 0).all()
    assert relative_error(actual.warped, expected.warped) < 1e-5


@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_tables_beyond_the_cache_give_the_reference(scale: str) -> None:
    layer = a_layer(
        scale=scale, query_size=(8, 6), key_size=(50, 50), channels=1900, value_channels=700, temperature=0.3
    )
    tensors = layer.tensors()
    expected, actual = layer.reference(tensors), operate(layer, in_type(tensors, torch.float32))
    for name in ("attended", "confidence", "warped"):
        assert relative_error(getattr(actual, name), getattr(expected, name)) < 1e-5, name
    assert_same_matches(layer, tensors, actual.matches, expected.matches)


def test_more_queries_than_one_pass_takes_give_what_each_frame_gives_alone() -> None:
    side, frames = 210, 2  # 44100 queries a frame; a pass takes 65536, and the tables are beyond the cache
    layer = a_layer(
        frames=frames, query_size=(side, side), key_size=(side, side), channels=80, value_channels=64
    )
    tensors, matches = in_type(layer.tensors(), torch.float32), layer.matches()
    both = OPERATORS["inner"](**tensors, matches=matches, **layer.settings)
    for frame in range(frames):
        alone = {name: x[frame : frame + 1] if x.shape[0] > 1 else x for name, x in tensors.items()}
        one = OPERATORS["inner"](**alone, matches=matches[frame : frame + 1], **layer.settings)
        for name in ("attended", "confidence", "matches"):
            assert torch.equal(getattr(both, name)[frame], getattr(one, name)[0]), name


def test_of_equal_logits_the_earlier_candidate_is_the_better_match() -> None:
    layer = a_layer(top_k=16)
    tensors = in_type(layer.tensors(), torch.float32)
    tensors["query"] = torch.zeros_like(tensors["query"])
    assert torch.equal(operate(layer, tensors).matches, layer.candidates()[..., :16])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_low_precision_inputs_give_results_and_gradients_of_their_type(dtype: torch.dtype) -> None:
    layer = a_layer()
    tensors = in_type(layer.tensors(), dtype, grad=True)
    result = operate(layer, tensors)
    result.attended.sum().backward()
    assert {result.attended.dtype, result.confidence.dtype, result.warped.dtype} == {dtype}
    assert all(x.grad.dtype == dtype for x in tensors.values())
    rounded = in_type(tensors, torch.float64)
    assert relative_error(result.attended, layer.reference(rounded).attended) < 1e-2


def test_gradients_are_only_computed_for_inputs_that_want_them() -> None:
    layer = a_layer()
    tensors = in_type(layer.tensors(), torch.float32)
    tensors["query"].requires_grad_()
    tensors["value"].requires_grad_()
    operate(layer, tensors).attended.sum().backward()
    assert {name for name, tensor in tensors.items() if tensor.grad is not None} == {"query", "value"}


def test_without_a_warp_source_nothing_is_warped() -> None:
    layer = a_layer()
    tensors = in_type(layer.tensors(), torch.float32, grad=True)
    del tensors["warp_source"]
    result = operate(layer, tensors)
    result.confidence.sum().backward()
    assert result.warped is None
    assert tensors["query"].grad.abs().sum() > 0


def test_tensors_that_are_not_contiguous_are_taken() -> None:
    layer = a_layer()
    tensors = in_type(layer.tensors(), torch.float32)
    channel_major = {name: tensor.mT.contiguous().mT for name, tensor in tensors.items()}
    assert torch.equal(operate(layer, tensors).attended, operate(layer, channel_major).attended)


def test_the_operator_keeps_pytorchs_rules() -> None:
    layer = a_layer()
    tensors = in_type(layer.tensors(), torch.float32, grad=True)
    arguments = [tensors[n] for n in ("query", "query_prune", "key", "key_prune", "value")]
    torch.library.opcheck(
        torch.ops.dynast.sparse_attention.default,
        (*arguments, layer.matches().int(), tensors["warp_source"], True, 9, 11, 4, 0.1, False),
        test_utils=("test_schema", "test_faketensor", "test_autograd_registration"),
    )


@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_the_published_codes_recordings_are_reproduced(scale: str) -> None:
    recorded = golden("attention_ops.npz")
    prefix = {"inter": "b2_inter", "inner": "b3_inner"}[scale]
    names = {"query": "q", "query_prune": "q_prune", "key": "k", "key_prune": "k_prune", "value": "v"}
    maps = {name: torch.from_numpy(recorded[f"{prefix}_{short}"]) for name, short in names.items()}
    width = maps["query"].shape[-1]
    arguments = {name: x.flatten(2).mT.contiguous() for name, x in maps.items()}
    matches = torch.from_numpy(recorded[f"{prefix}_prev"])
    keywords = {"query_width": width, "key_width": width, "top_k": 4, "temperature": 0.01}
    result = OPERATORS[scale](**arguments, matches=matches, **keywords)
    exact = REFERENCE[scale](
        **{name: x.double() for name, x in arguments.items()}, matches=matches.long(), **keywords
    )
    for name, key in (("attended", "out"), ("confidence", "conf")):
        published = torch.from_numpy(recorded[f"{prefix}_{key}"]).flatten(2).mT
        noise = relative_error(published, getattr(exact, name))
        assert relative_error(getattr(result, name), getattr(exact, name)) <= max(1e-5, 2 * noise)
    assert (result.matches == exact.matches).float().mean() > 0.999


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"query_width": 10}, "117 tokens, which is not a multiple of query_width 10"),
        ({"key_width": 0}, "key_width 0"),
        ({"top_k": 17}, "at most 16"),
        ({"top_k": 0}, "top_k has to be at least 1"),
        ({"temperature": 0.0}, "temperature has to be positive"),
        ({"warp_mask": "inverted"}, "'inverted'"),
        ({"key": torch.zeros(1, 77, 20)}, "key has 20 channels, but its query has 21"),
        ({"key_prune": torch.zeros(1, 76, 5)}, r"key_prune has shape \[1, 76, 5\]"),
        ({"query": torch.zeros(117, 21)}, r"query has shape \[117, 21\]"),
        ({"query": torch.zeros(2, 117, 21, dtype=torch.float64)}, "query is torch.float64"),
        ({"query": torch.zeros(2, 117, 21, device="meta")}, "query is on meta"),
        ({"matches": torch.zeros(2, 117, 4)}, "matches are torch.float32"),
        (
            {"matches": torch.full((2, 117, 4), 77)},
            r"matches\[0, 0, 0\] is 77, which is not a key of a map of 77",
        ),
        ({"matches": torch.full((2, 117, 4), -1)}, r"matches\[0, 0, 0\] is -1"),
        ({"matches": torch.zeros(2, 116, 4).long()}, r"matches has shape \[2, 116, 4\]"),
        ({"matches": torch.zeros(2, 117, 17).long()}, "at most 16"),
        ({"matches": torch.zeros(2, 117, 1).long(), "top_k": 6}, "top_k 6 is more than the 5 candidates"),
    ],
)
def test_what_does_not_fit_together_is_named(changes: dict[str, object], words: str) -> None:
    layer = a_layer()
    arguments = {
        **in_type(layer.tensors(), torch.float32),
        "matches": layer.matches(),
        **layer.settings,
        **changes,
    }
    with pytest.raises(DynastError, match=words):
        OPERATORS["inner"](**arguments)


def test_inter_scale_needs_even_query_maps() -> None:
    layer = a_layer(scale="inter", query_size=(6, 6))
    arguments = {**in_type(layer.tensors(), torch.float32), "matches": layer.matches(), **layer.settings}
    with pytest.raises(DynastError, match="12 x 3 .* no 2 x 2 windows"):
        OPERATORS["inter"](**{**arguments, "query_width": 3})


@pytest.mark.parametrize("variant", ["plain", "avx2", "avx512"])
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_every_instruction_set_gives_the_reference(variant: str, half: bool, scale: str) -> None:
    if native.variant(variant) is None:
        pytest.skip(f"this processor does not run {variant} code")
    for channels, value_channels, matches_k in ((16, 64, 4), (37, 83, 1), (3, 5, 3)):
        layer = a_layer(
            scale=scale,
            query_size=(8, 6),
            channels=channels,
            value_channels=value_channels,
            matches_k=matches_k,
            temperature=0.3,
        )
        tensors, dtype = layer.tensors(), torch.float16 if half else torch.float32
        actual = run_variant(layer, in_type(tensors, dtype), variant)
        expected, plain = layer.reference(tensors), layer.reference(in_type(tensors, dtype))
        for name in ("attended", "confidence"):
            error = relative_error(getattr(actual, name), getattr(expected, name))
            allowed = 2 * relative_error(getattr(plain, name), getattr(expected, name)) if half else 1e-5
            assert error <= allowed, name
        assert_same_matches(layer, tensors, actual.matches.long(), expected.matches)


def run_variant(layer: Layer, tensors: dict[str, Tensor], variant: str) -> attention.Attention:
    """The C interface without the operator around it."""
    dtype, queries = tensors["query"].dtype, layer.query_size[0] * layer.query_size[1]
    attended = torch.full((layer.frames, queries, layer.value_channels), torch.nan, dtype=dtype)
    confidence = torch.full((layer.frames, queries, 1), torch.nan, dtype=dtype)
    best = torch.full((layer.frames, queries, layer.top_k), -1, dtype=torch.int32)
    matches = layer.matches().int()
    problem = native.Problem(
        inner=layer.scale == "inner",
        frames=layer.frames,
        exemplars=layer.exemplars,
        query_height=layer.query_size[0],
        query_width=layer.query_size[1],
        key_height=layer.key_size[0],
        key_width=layer.key_size[1],
        channels=layer.channels,
        prune_channels=layer.prune_channels,
        value_channels=layer.value_channels,
        matches_k=layer.matches_k,
        top_k=layer.top_k,
        temperature=layer.temperature,
    )
    given = [tensors[name].data_ptr() for name in ("query", "query_prune", "key", "key_prune", "value")]
    call = native.Forward(
        *given,
        matches.data_ptr(),
        None,
        attended.data_ptr(),
        confidence.data_ptr(),
        best.data_ptr(),
        None,
    )
    native.forward(problem, call, half=dtype == torch.float16, threads=2, variant=variant)
    return attention.Attention(attended, confidence, best)


def test_the_c_structures_have_the_size_that_the_library_expects() -> None:
    assert ctypes.sizeof(native.Problem) == 15 * 4
    assert ctypes.sizeof(native.Forward) == 11 * ctypes.sizeof(ctypes.c_void_p)
    assert ctypes.sizeof(native.Backward) == 16 * ctypes.sizeof(ctypes.c_void_p)
