"""Dense attention without the matrix of logits, against the reference in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
import torch
from attention_layers import relative_error
from golden import golden
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dynast_deploy.attention import dense_attention
from dynast_deploy.attention_interface import Attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import native
from dynast_deploy.plugins.native_build import cpu as build

pytestmark = pytest.mark.skipif(
    build.find_compiler() is None, reason="no C++ compiler to build the kernels with"
)


@dataclass(frozen=True)
class Dense:
    frames: int = 2
    exemplars: int = 1
    queries: int = 45
    keys: int = 150
    channels: int = 37
    prune_channels: int = 5
    value_channels: int = 70
    top_k: int = 4
    temperature: float = 0.3
    seed: int = 0

    def tensors(self) -> dict[str, Tensor]:
        """float64, exact in float16."""
        generator = torch.Generator().manual_seed(self.seed)

        def normal(batch: int, length: int, channels: int, scale: float = 1.0) -> Tensor:
            return (scale * torch.randn(batch, length, channels, generator=generator)).half().double()

        return {
            "query": normal(self.frames, self.queries, self.channels, 1 / self.channels),
            "query_prune": normal(self.frames, self.queries, self.prune_channels),
            "key": normal(self.exemplars, self.keys, self.channels),
            "key_prune": normal(self.exemplars, self.keys, self.prune_channels),
            "value": normal(self.exemplars, self.keys, self.value_channels),
        }


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    if build.find_compiler() is not None and not native.available():
        build.build_all(None)
        native.library.load_cpu.cache_clear()


def in_type(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}


def operate(
    tensors: dict[str, Tensor], top_k: int, temperature: float, threads: int = 2, variant: str = ""
) -> Attention:
    query, _, key, key_prune, value = tensors.values()
    (frames, queries, channels), (exemplars, keys, _) = query.shape, key.shape
    attended = torch.full((frames, queries, value.shape[2]), torch.nan, dtype=query.dtype)
    confidence = torch.full((frames, queries, 1), torch.nan, dtype=query.dtype)
    best = torch.full((frames, queries, max(top_k, 0)), -1, dtype=torch.int32)
    sizes = (channels, key_prune.shape[2], value.shape[2])
    problem = native.Dense(frames, exemplars, queries, keys, *sizes, top_k, temperature)
    outputs = (attended, confidence, best)
    call = native.DenseForward(*(x.data_ptr() for x in (*tensors.values(), *outputs)))
    native.dense(problem, call, half=query.dtype == torch.float16, threads=threads, variant=variant)
    return Attention(attended, confidence, best.long())


def assert_same_matches(layer: Dense, tensors: dict[str, Tensor], actual: Tensor, expected: Tensor) -> None:
    logits = tensors["query"] @ tensors["key"].mT
    difference = logits.gather(-1, actual) - logits.gather(-1, expected)
    assert difference.abs().max() <= 1e-6 * tensors["query"].abs().sum(-1).max() * tensors["key"].abs().max()
    assert all(len(set(row)) == layer.top_k for row in actual.flatten(0, 1).tolist())


layers = st.builds(
    Dense,
    frames=st.just(2),
    exemplars=st.sampled_from([1, 2]),
    queries=st.integers(1, 70),
    keys=st.integers(16, 200),
    channels=st.integers(1, 90),
    prune_channels=st.integers(1, 20),
    value_channels=st.integers(1, 150),
    top_k=st.integers(1, 16),
    temperature=st.sampled_from([0.05, 0.3, 1.0]),
    seed=st.integers(0, 1 << 20),
)


@settings(max_examples=40, deadline=None)
@given(layer=layers)
def test_float32_equals_the_reference(layer: Dense) -> None:
    tensors = layer.tensors()
    expected = dense_attention(**tensors, top_k=layer.top_k, temperature=layer.temperature)
    actual = operate(in_type(tensors, torch.float32), layer.top_k, layer.temperature)
    for name in ("attended", "confidence"):
        assert relative_error(getattr(actual, name), getattr(expected, name)) < 1e-5, name
    assert_same_matches(layer, tensors, actual.matches, expected.matches)


@pytest.mark.parametrize("variant", ["plain", "avx2", "avx512"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_instruction_set_gives_the_reference(variant: str, dtype: torch.dtype) -> None:
    if native.variant(variant) is None:
        pytest.skip(f"this processor does not run {variant} code")
    layer = Dense()
    tensors = layer.tensors()
    settings = {"top_k": layer.top_k, "temperature": layer.temperature}
    low = in_type(tensors, dtype)
    actual = operate(low, **settings, variant=variant)  # type: ignore[arg-type]
    expected, plain = dense_attention(**tensors, **settings), dense_attention(**low, **settings)  # type: ignore[arg-type]
    for name in ("attended", "confidence"):
        error = relative_error(getattr(actual, name), getattr(expected, name))
        half = dtype == torch.float16
        assert error <= (
            2 * relative_error(getattr(plain, name), getattr(expected, name)) if half else 1e-5
        ), name
    assert_same_matches(layer, tensors, actual.matches, expected.matches)


@pytest.mark.parametrize("temperature", [1e-2, 1e-5])
def test_extreme_logits_give_finite_results(temperature: float) -> None:
    layer = replace(Dense(), temperature=temperature)
    tensors = {name: 30 * x if name in ("query", "key") else x for name, x in layer.tensors().items()}
    actual = operate(in_type(tensors, torch.float32), layer.top_k, temperature)
    expected = dense_attention(**tensors, top_k=layer.top_k, temperature=temperature)
    plain = dense_attention(**in_type(tensors, torch.float32), top_k=layer.top_k, temperature=temperature)
    for name in ("attended", "confidence"):
        assert torch.isfinite(getattr(actual, name)).all()
        error = relative_error(getattr(actual, name), getattr(expected, name))
        assert error <= max(1e-5, 4 * relative_error(getattr(plain, name), getattr(expected, name)))


def test_a_query_that_keeps_nothing_has_confidence_0() -> None:
    tensors = in_type(Dense().tensors(), torch.float32)
    tensors["query_prune"], tensors["key_prune"] = -tensors["query_prune"].abs(), tensors["key_prune"].abs()
    actual = operate(tensors, 4, 0.3)
    assert (actual.attended == 0).all()
    assert (actual.confidence == 0).all()


def test_of_equal_logits_the_earlier_key_is_the_better_match() -> None:
    tensors = in_type(Dense().tensors(), torch.float32)
    tensors["query"] = torch.zeros_like(tensors["query"])
    assert (operate(tensors, 5, 0.3).matches == torch.arange(5)).all()


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    tensors = in_type(Dense(queries=200).tensors(), torch.float32)
    one, three = (operate(tensors, 4, 0.3, threads) for threads in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one[:3], three[:3], strict=True))


def test_the_published_codes_recording_is_reproduced() -> None:
    recorded = golden("attention_ops.npz")
    names = {"query": "q", "query_prune": "q_prune", "key": "k", "key_prune": "k_prune", "value": "v"}
    tensors = {
        name: torch.from_numpy(recorded[f"b1_dense_{short}"]).flatten(2).mT.contiguous()
        for name, short in names.items()
    }
    temperature = tensors["query"].shape[2] ** 0.5
    exact = dense_attention(**in_type(tensors, torch.float64), top_k=4, temperature=temperature)
    actual = operate(tensors, 4, temperature)
    for name, key in (("attended", "out"), ("confidence", "conf")):
        published = torch.from_numpy(recorded[f"b1_dense_{key}"]).flatten(2).mT
        noise = relative_error(published, getattr(exact, name))
        assert noise < 1e-4
        assert relative_error(getattr(actual, name), getattr(exact, name)) <= max(1e-5, 2 * noise)
    assert torch.equal(actual.matches, exact.matches)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top_k": 17}, "at most 16"),
        ({"top_k": 0}, "top_k has to be at least 1"),
        ({"keys": 3, "top_k": 4}, "top_k 4 is more than the 3 keys"),
        ({"temperature": 0.0}, "temperature has to be positive"),
        ({"frames": 3, "exemplars": 2}, "2 exemplars for 3 frames"),
    ],
)
def test_what_makes_no_sense_is_named(changes: dict[str, float], words: str) -> None:
    layer = replace(Dense(), **changes)  # type: ignore[arg-type]
    with pytest.raises(DynastError, match=words):
        operate(in_type(layer.tensors(), torch.float32), layer.top_k, layer.temperature)
