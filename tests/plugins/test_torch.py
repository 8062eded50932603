"""The results and gradients of PyTorch's native attention operator against the reference in float64."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from attention_layers import REFERENCE, Layer, a_layer, assert_same_matches, in_type, layers, relative_error
from golden import golden
from hypothesis import given, settings
from native_kernels import MARKS
from torch import Tensor
from torch_attention import OPERATORS, operate

pytestmark = MARKS


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
