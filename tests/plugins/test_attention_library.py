"""The C interface of the native attention, for every instruction set, against the reference in float64."""

from __future__ import annotations

import ctypes

import pytest
import torch
from attention_layers import Layer, a_layer, assert_same_matches, in_type, relative_error
from native_kernels import MARKS
from torch import Tensor

from dynast_deploy import attention
from dynast_deploy.plugins.bindings import native

pytestmark = MARKS


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


def test_the_c_structures_have_the_size_that_the_library_expects() -> None:
    assert ctypes.sizeof(native.Problem) == 15 * 4
    assert ctypes.sizeof(native.Forward) == 11 * ctypes.sizeof(ctypes.c_void_p)
    assert ctypes.sizeof(native.Backward) == 16 * ctypes.sizeof(ctypes.c_void_p)
