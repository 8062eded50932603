"""What the native attention operator of PyTorch takes: types, gradients, options, and errors that name a fault."""

from __future__ import annotations

import pytest
import torch
from attention_layers import a_layer, in_type, relative_error
from native_kernels import MARKS
from torch_attention import OPERATORS, operate

from dynast_deploy.errors import DynastError

pytestmark = MARKS


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
