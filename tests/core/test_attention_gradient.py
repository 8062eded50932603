"""The reference attention's gradients: those of copying by two tensors, the same every time, and frugal."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dynast_deploy import attention
from dynast_deploy.attention import gather_tokens, inner_scale_attention, inter_scale_attention
from dynast_deploy.attention_interface import Attention


@pytest.mark.parametrize("exemplars", [1, 2])
def test_the_gradient_of_copied_tokens_is_that_of_indexing(exemplars: int) -> None:
    torch.manual_seed(0)
    tokens = torch.randn(exemplars, 12, 5, dtype=torch.float64, requires_grad=True)
    indices = torch.randint(0, 12, (2, 30, 4))
    batch = torch.arange(2)[:, None, None] if exemplars == 2 else torch.zeros(1, 1, 1, dtype=torch.long)
    factor = torch.randn(2, 30, 4, 5, dtype=torch.float64)
    (found,) = torch.autograd.grad((gather_tokens(tokens, indices) * factor).sum(), tokens)
    (expected,) = torch.autograd.grad((tokens[batch, indices] * factor).sum(), tokens)
    torch.testing.assert_close(found, expected)


def _inputs(length: int, channels: int) -> list[Tensor]:
    torch.manual_seed(0)
    widths = (channels, 6, channels, 6, channels)
    return [torch.randn(1, length, width, requires_grad=True) for width in widths]


def _attend(inputs: list[Tensor], inner: bool, side: int) -> Attention:
    length = side * side
    matches = torch.randint(
        0, length // (1 if inner else 4), (1, length // (1 if inner else 4), 4), generator=torch.Generator()
    )
    attend = inner_scale_attention if inner else inter_scale_attention
    return attend(
        *inputs,
        matches,
        query_width=side,
        key_width=side,
        top_k=4,
        temperature=0.1,
        warp_source=inputs[4][..., :3],
    )


def _gradients(inner: bool, side: int) -> tuple[Tensor, ...]:
    inputs = _inputs(side * side, 8)
    found = _attend(inputs, inner, side)
    assert found.warped is not None
    return torch.autograd.grad(
        found.attended.sum() + found.confidence.square().sum() + found.warped.square().sum(), inputs
    )


@pytest.mark.parametrize("inner", [False, True])
def test_queries_in_parts_give_what_all_at_once_give(inner: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _gradients(inner, 16)
    monkeypatch.setattr(attention, "QUERIES_AT_ONCE", 100)
    for part, expected in zip(_gradients(inner, 16), whole, strict=True):
        torch.testing.assert_close(part, expected, rtol=1e-4, atol=1e-5)


def test_gradients_repeat_to_the_bit() -> None:
    first = _gradients(True, 64)
    for _ in range(3):
        assert all(map(torch.equal, _gradients(True, 64), first))


def test_nothing_that_was_copied_together_is_kept_for_the_gradient() -> None:
    side = 64
    inputs = _inputs(side * side, 32)
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        _attend(inputs, True, side)
    copied_keys = side * side * 20 * 32 * 4
    assert sum(kept.values()) < copied_keys / 2
