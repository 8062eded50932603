"""PyTorch's attention operator for GPUs, launches included, emulated on the CPU: results and gradients."""

from __future__ import annotations

import ctypes

import gpu_emulation
import pytest
import torch
from attention_layers import Layer, a_layer, assert_same_matches, in_type, layers, relative_error
from hypothesis import given, settings
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library, native, native_gpu
from dynast_deploy.plugins.pyt import attention_problem
from dynast_deploy.plugins.pyt import gpu as torch_gpu

DIFFERENTIABLE = ("query", "query_prune", "key", "key_prune", "value", "warp_source")


@pytest.fixture(scope="module", autouse=True)
def _emulated() -> object:
    emulator = gpu_emulation.emulator()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "load_gpu", lambda: emulator)
        yield


def problem(layer: Layer) -> native.Problem:
    sizes = (*layer.query_size, *layer.key_size, layer.channels, layer.prune_channels, layer.value_channels)
    counts = (layer.warp_channels, layer.matches_k, layer.top_k, layer.warp_mask == "published")
    return native.Problem(
        layer.scale == "inner", layer.frames, layer.exemplars, *sizes, *counts, layer.temperature
    )


def operands(layer: Layer, tensors: dict[str, Tensor]) -> list[Tensor]:
    named = {**tensors, "matches": layer.matches().int()}
    order = ("query", "query_prune", "key", "key_prune", "value", "matches", "warp_source")
    return [named[name] for name in order]


def forward(layer: Layer, tensors: dict[str, Tensor]) -> Attention:
    """The operator's four outputs; what is not written stays NaN or -1."""
    outputs = attention_problem.new_outputs(
        tensors["query"], tensors["value"], tensors["warp_source"], layer.top_k
    )
    for output in outputs:
        output.fill_(torch.nan if output.is_floating_point() else -1)
    torch_gpu.forward(problem(layer), operands(layer, tensors), outputs)
    attended, confidence, matches, warped = outputs
    return Attention(attended, confidence, matches.long(), warped)


def incoming(layer: Layer) -> list[Tensor]:
    generator = torch.Generator().manual_seed(layer.seed + 2)
    queries = layer.query_size[0] * layer.query_size[1]
    return [
        torch.randn(layer.frames, queries, channels, generator=generator).half().double()
        for channels in (layer.value_channels, 1, layer.warp_channels)
    ]


def expected_gradients(layer: Layer, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    leaves = in_type(tensors, torch.float64, grad=True)
    result = layer.reference(leaves)
    outputs = [result.attended, result.confidence, result.warped]
    return torch.autograd.grad(outputs, [leaves[name] for name in DIFFERENTIABLE], incoming(layer))  # type: ignore[arg-type]


def gradients(layer: Layer, tensors: dict[str, Tensor]) -> list[Tensor]:
    dtype = tensors["query"].dtype
    grads = [gradient.to(dtype) for gradient in incoming(layer)]
    return torch_gpu.backward(problem(layer), operands(layer, tensors), grads, [True] * 6)


@settings(max_examples=12, deadline=None)
@given(layer=layers())
def test_results_and_gradients_equal_the_references(layer: Layer) -> None:
    tensors = layer.tensors()
    low = in_type(tensors, torch.float32)
    expected, actual = layer.reference(tensors), forward(layer, low)
    for name in ("attended", "confidence", "warped"):
        assert relative_error(getattr(actual, name), getattr(expected, name)) < 1e-5, name
    assert_same_matches(layer, tensors, actual.matches, expected.matches)
    found = zip(DIFFERENTIABLE, gradients(layer, low), expected_gradients(layer, tensors), strict=True)
    for name, gradient, wanted in found:
        scale = max(1.0, float(wanted.abs().max()))
        assert relative_error(gradient, wanted) * float(wanted.abs().max()) < 1e-4 * scale, name


@pytest.mark.parametrize("atomic", ["0", "1"])
@pytest.mark.parametrize("mask", ["kept", "published"])
@pytest.mark.parametrize("scale", ["inter", "inner"])
def test_both_ways_to_sum_by_key_give_the_references_gradients(
    scale: str, mask: str, atomic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(torch_gpu.ATOMIC, atomic)
    layer = a_layer(scale=scale, query_size=(6, 4), channels=16, value_channels=24, warp_mask=mask)
    tensors = layer.tensors()
    found = gradients(layer, in_type(tensors, torch.float32))
    for gradient, wanted in zip(found, expected_gradients(layer, tensors), strict=True):
        assert relative_error(gradient, wanted) < 1e-5


def test_keys_that_many_queries_share_and_keys_that_none_has_get_their_sums() -> None:
    # 2 x 99 queries with 20 candidates each are two tiles of the sort and 31 stretches, on three keys of 285 (which
    # the sort takes three passes for).
    layer = a_layer(query_size=(11, 9), key_size=(15, 19), channels=8, value_channels=5, few_matches=True)
    tensors = layer.tensors()
    found = gradients(layer, in_type(tensors, torch.float32))
    for gradient, wanted in zip(found, expected_gradients(layer, tensors), strict=True):
        assert relative_error(gradient, wanted) < 1e-5
    assert (found[2] == 0).all(-1).sum() > 250


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("channels", [16, 21])
def test_16_bit_results_and_gradients_err_at_most_twice_as_much_as_the_plain_computation(
    dtype: torch.dtype, channels: int
) -> None:
    layer = a_layer(query_size=(5, 4), channels=channels, value_channels=channels, temperature=0.3)
    tensors = {name: x.to(dtype).double() for name, x in layer.tensors().items()}
    low = in_type(tensors, dtype, grad=True)
    plain = layer.reference(low)
    outputs = [plain.attended, plain.confidence, plain.warped]
    of_plain = torch.autograd.grad(
        outputs,  # type: ignore[arg-type]
        [low[name] for name in DIFFERENTIABLE],
        [gradient.to(dtype) for gradient in incoming(layer)],
    )
    low = in_type(tensors, dtype)
    expected, actual = layer.reference(tensors), forward(layer, low)
    for name in ("attended", "confidence", "warped"):
        error = relative_error(getattr(actual, name), getattr(expected, name))
        assert error <= 2 * relative_error(getattr(plain, name), getattr(expected, name)), name
    for gradient, rough, wanted in zip(
        gradients(layer, low), of_plain, expected_gradients(layer, tensors), strict=True
    ):
        assert gradient.dtype == dtype
        assert relative_error(gradient, wanted) <= 2 * relative_error(rough, wanted)


def test_only_wanted_gradients_are_computed() -> None:
    layer = a_layer(query_size=(3, 4))
    tensors = in_type(layer.tensors(), torch.float32)
    grads = [gradient.float() for gradient in incoming(layer)]
    everything = gradients(layer, tensors)
    for wanted in ([True, False, False, True, False, False], [False, True, True, False, True, False]):
        found = torch_gpu.backward(problem(layer), operands(layer, tensors), grads, wanted)
        for want, gradient, whole in zip(wanted, found, everything, strict=True):
            assert torch.equal(gradient, whole) if want else gradient.numel() == 0


def test_parts_of_tensors_that_begin_anywhere_are_taken() -> None:
    layer = a_layer(query_size=(3, 4), channels=16, value_channels=8)
    tensors = in_type(layer.tensors(), torch.float32)
    shifted = {}
    for name, tensor in tensors.items():
        room = torch.empty(tensor.numel() + 1)
        room[1:] = tensor.flatten()
        shifted[name] = room[1:].view(tensor.shape)
    assert shifted["query"].data_ptr() % 16
    assert torch.equal(forward(layer, shifted).attended, forward(layer, tensors).attended)


def test_matches_outside_the_map_count_as_the_nearest_inside() -> None:
    layer = a_layer(query_size=(3, 4))
    tensors = in_type(layer.tensors(), torch.float32)
    wild, tame = (operands(layer, tensors) for _ in range(2))
    wild[5] = wild[5].clone()
    wild[5][0, 0], wild[5][1, 2] = -5, 10**9
    tame[5] = wild[5].clamp(0, 76)
    results = []
    for inputs in (wild, tame):
        outputs = attention_problem.new_outputs(tensors["query"], tensors["value"], tensors["warp_source"], 4)
        torch_gpu.forward(problem(layer), inputs, outputs)
        results.append(outputs)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_mixed_types_and_senseless_numbers_are_refused() -> None:
    layer = a_layer(query_size=(3, 4))
    tensors = in_type(layer.tensors(), torch.float32)
    with pytest.raises(DynastError, match=r"the tensors are torch.float16, torch.float32; on a GPU"):
        forward(layer, {**tensors, "value": tensors["value"].half()})
    outputs = attention_problem.new_outputs(tensors["query"], tensors["value"], tensors["warp_source"], 4)
    senseless = problem(layer)
    senseless.top_k = 21
    with pytest.raises(DynastError, match="top_k 21 after 4 matches"):
        torch_gpu.forward(senseless, operands(layer, tensors), outputs)


@pytest.mark.parametrize(
    ("storage", "team"), [(native_gpu.Storage.FLOAT32, 16), (native_gpu.Storage.FLOAT16, 8)]
)
def test_launches_have_a_team_for_every_query(storage: native_gpu.Storage, team: int) -> None:
    published = a_layer(query_size=(255, 256), key_size=(256, 256), channels=80, frames=3)
    chosen, launch = native_gpu.forward_launch(problem(published), storage)
    assert chosen == team
    assert launch == (3 * 128 * 128 * 4 * team // 128, 1, 1, 128)
    many = a_layer(matches_k=16, channels=8)
    assert native_gpu.forward_launch(problem(many), storage)[0] == 32


def test_the_workspace_is_a_few_numbers_for_each_candidate_and_none_with_atomics() -> None:
    layer = problem(a_layer(query_size=(256, 256), key_size=(256, 256), channels=80, frames=1))
    candidates = 256 * 256 * 20
    room = native_gpu.backward_workspace(layer, atomic=False)
    parts = candidates / 128 * 2 * (80 + 8 + 20 + 4) * 4
    assert candidates * 32 + parts < room < candidates * 33 + parts
    assert native_gpu.backward_workspace(layer, atomic=True) == 0


def test_the_c_structures_are_shared_with_the_cpu() -> None:
    assert ctypes.sizeof(native.Backward) == 16 * ctypes.sizeof(ctypes.c_void_p)
