"""Dense attention for GPUs, launch included, emulated on the CPU: against the reference in float64."""

from __future__ import annotations

import gpu_emulation
import pytest
import torch
from attention_layers import relative_error
from test_dense import Dense, assert_same_matches, in_type
from torch import Tensor

from dynast_deploy.attention import dense_attention
from dynast_deploy.attention_interface import Attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library, native, native_gpu
from dynast_deploy.plugins.pyt import gpu as torch_gpu


@pytest.fixture(scope="module", autouse=True)
def _emulated() -> object:
    emulator = gpu_emulation.emulator()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "load_gpu", lambda: emulator)
        yield


def operate(layer: Dense, tensors: dict[str, Tensor]) -> Attention:
    query, _, _, key_prune, value = tensors.values()
    attended = torch.full((layer.frames, layer.queries, value.shape[2]), torch.nan, dtype=query.dtype)
    confidence = torch.full((layer.frames, layer.queries, 1), torch.nan, dtype=query.dtype)
    best = torch.full((layer.frames, layer.queries, layer.top_k), -1, dtype=torch.int32)
    sizes = (query.shape[2], key_prune.shape[2], value.shape[2])
    problem = native.Dense(
        layer.frames, layer.exemplars, layer.queries, layer.keys, *sizes, layer.top_k, layer.temperature
    )
    call = native.DenseForward(*(x.data_ptr() for x in (*tensors.values(), attended, confidence, best)))
    native_gpu.dense(problem, call, torch_gpu.STORAGE[query.dtype], 0)
    return Attention(attended, confidence, best.long())


LAYERS = [
    Dense(),
    Dense(exemplars=2, queries=7, keys=33, channels=8, prune_channels=4, value_channels=516, top_k=16),
    Dense(frames=1, queries=33, keys=64, channels=64, prune_channels=16, value_channels=32, top_k=1),
    Dense(frames=1, queries=1, keys=16, channels=1, prune_channels=1, value_channels=1, temperature=1e-3),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_it_equals_the_reference(layer: Dense, dtype: torch.dtype) -> None:
    tensors = {name: x.to(dtype).double() for name, x in layer.tensors().items()}
    settings = {"top_k": layer.top_k, "temperature": layer.temperature}
    expected = dense_attention(**tensors, **settings)  # type: ignore[arg-type]
    plain = dense_attention(**in_type(tensors, dtype), **settings)  # type: ignore[arg-type]
    actual = operate(layer, in_type(tensors, dtype))
    for name in ("attended", "confidence"):
        error = relative_error(getattr(actual, name), getattr(expected, name))
        rough = relative_error(getattr(plain, name), getattr(expected, name))
        assert error <= max(1e-5, 0 if dtype == torch.float32 else 2 * rough), name
    assert_same_matches(layer, tensors, actual.matches, expected.matches)


def test_extreme_logits_give_finite_results() -> None:
    layer = Dense(frames=1, temperature=1e-5)
    tensors = {name: 30 * x if name in ("query", "key") else x for name, x in layer.tensors().items()}
    actual = operate(layer, in_type(tensors, torch.float32))
    expected = dense_attention(**tensors, top_k=4, temperature=1e-5)
    assert relative_error(actual.attended, expected.attended) < 1e-5
    assert relative_error(actual.confidence, expected.confidence) < 1e-5


def test_a_query_that_keeps_nothing_has_confidence_0() -> None:
    layer = Dense(frames=1, queries=20, keys=40)
    tensors = in_type(layer.tensors(), torch.float32)
    tensors["query_prune"], tensors["key_prune"] = -tensors["query_prune"].abs(), tensors["key_prune"].abs()
    actual = operate(layer, tensors)
    assert (actual.attended == 0).all()
    assert (actual.confidence == 0).all()


def test_of_equal_logits_the_earlier_key_is_the_better_match() -> None:
    layer = Dense(frames=1, queries=20, keys=80, top_k=16)
    tensors = in_type(layer.tensors(), torch.float32)
    tensors["query"] = torch.zeros_like(tensors["query"])
    assert (operate(layer, tensors).matches == torch.arange(16)).all()


def test_a_launch_has_a_block_for_32_queries_and_512_value_channels() -> None:
    problem = native.Dense(3, 1, 1025, 1024, 640, 128, 513, 4, 0.1)
    assert native_gpu.dense_launch(problem) == (33, 2, 3, 256)


def test_more_matches_than_keys_are_refused() -> None:
    layer = Dense(frames=1, keys=3)
    with pytest.raises(DynastError, match="top_k 4 is more than the 3 keys"):
        operate(layer, in_type(layer.tensors(), torch.float32))
