"""The reference attention against recordings of the published code, and against its definition."""

from __future__ import annotations

import pytest
import torch
from golden import golden
from torch import Tensor

from dynast_deploy.attention import (
    dense_attention,
    inner_scale_attention,
    inner_scale_candidates,
    inter_scale_attention,
    inter_scale_candidates,
    keep_mask,
)
from dynast_deploy.layer_ops import to_tokens

SPARSE = {
    "b2_inter": (inter_scale_attention, inter_scale_candidates, 16),
    "b3_inner": (inner_scale_attention, inner_scale_candidates, 16),
    "b7_inner": (inner_scale_attention, inner_scale_candidates, 64),
}


def recorded(prefix: str) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Query, query_prune, key, key_prune and value as tokens, and everything else that was recorded."""
    found = {name: torch.from_numpy(array) for name, array in golden("attention_ops.npz").items()}
    found = {name.removeprefix(f"{prefix}_"): t for name, t in found.items() if name.startswith(prefix)}
    return [to_tokens(found[name]) for name in ("q", "q_prune", "k", "k_prune", "v")], found


def relative_error(result: Tensor, expected: Tensor) -> float:
    return float((result - expected).abs().max() / expected.abs().max())


def test_dense_attention_reproduces_the_recording() -> None:
    inputs, expected = recorded("b1_dense")
    found = dense_attention(*inputs, top_k=4, temperature=inputs[0].shape[-1] ** 0.5)
    assert relative_error(found.attended, to_tokens(expected["out"])) < 1e-5
    assert relative_error(found.confidence, to_tokens(expected["conf"])) < 1e-5
    assert torch.equal(found.matches, expected["logits"].topk(4).indices)


@pytest.mark.parametrize("prefix", SPARSE)
def test_sparse_attention_reproduces_the_recording(prefix: str) -> None:
    inputs, expected = recorded(prefix)
    attend, candidates_of, width = SPARSE[prefix]
    previous = expected["prev"].long()
    found = attend(*inputs, previous, query_width=width, key_width=width, top_k=4, temperature=0.01)
    assert relative_error(found.attended, to_tokens(expected["out"])) < 1e-5
    assert relative_error(found.confidence, to_tokens(expected["conf"])) < 1e-5
    if "next" not in expected:
        return
    # The published code ranks softmax weights, where far candidates underflow to equal zeros: such ties are free.
    sizes = (width, width) if attend is inter_scale_attention else (width, width, inputs[2].shape[1])
    candidates = candidates_of(previous, *sizes)
    batch = torch.arange(candidates.shape[0])[:, None, None]
    logits = (inputs[2][batch, candidates] * inputs[0].unsqueeze(2)).sum(-1) / 0.01
    weights = logits.softmax(-1)

    def ranked(matches: Tensor) -> Tensor:
        """Softmax weight of each match, by looking it up among its query's candidates."""
        return (
            (weights.unsqueeze(2) * (candidates.unsqueeze(2) == matches.unsqueeze(3)))
            .amax(-1)
            .sort(-1)
            .values
        )

    assert torch.equal(ranked(found.matches), ranked(expected["next"].long()))
    clear = weights.topk(4).values[..., -1] > 0
    same = found.matches.sort(-1).values == expected["next"].long().sort(-1).values
    assert clear.any()
    assert same[clear].all()


def test_inter_scale_candidates_are_the_children_row_by_row() -> None:
    # A parent map of 2x3 queries (each a 2x2 window here) into a key map of 4x4 parents.
    matches = torch.tensor([[[5], [0], [15], [3], [4], [10]]])
    candidates = inter_scale_candidates(matches, query_width=6, key_width=8).reshape(4, 6, 4)
    row, column = 5 // 4 * 2, 5 % 4 * 2
    children = [row * 8 + column, row * 8 + column + 1, (row + 1) * 8 + column, (row + 1) * 8 + column + 1]
    assert candidates[:2, :2].reshape(4, 4).tolist() == [children] * 4
    assert candidates[2, 0].tolist() == [6, 7, 14, 15]


def test_inner_scale_candidates_move_back_and_stay_on_the_map() -> None:
    matches = torch.arange(12).reshape(1, 12, 1)
    candidates = inner_scale_candidates(matches, query_width=4, key_width=4, key_length=12)[0]
    assert candidates[5].tolist() == [5] * 5  # inside, the identity matching proposes the same key five times
    assert candidates[0].tolist() == [0, 4, 0, 1, 0]  # at the corner a query is its own neighbour
    assert candidates[11].tolist() == [11, 11, 7, 11, 10]


def test_one_exemplar_serves_every_frame() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(3, 24, 5), torch.randn(1, 24, 5), torch.randn(1, 24, 4)
    matches = torch.randint(0, 24, (3, 24, 2))
    options = {"query_width": 6, "key_width": 6, "top_k": 2, "temperature": 0.5}
    shared = inner_scale_attention(query, query, key, key, value, matches, **options)
    repeated = inner_scale_attention(
        query,
        query,
        key.expand(3, -1, -1),
        key.expand(3, -1, -1),
        value.expand(3, -1, -1),
        matches,
        **options,
    )
    torch.testing.assert_close(shared.attended, repeated.attended)
    assert torch.equal(shared.matches, repeated.matches)


def test_extreme_logits_stay_finite() -> None:
    torch.manual_seed(1)
    query, key = 1e4 * torch.randn(1, 16, 3), 1e4 * torch.randn(1, 16, 3)
    options = {"query_width": 4, "key_width": 4, "top_k": 4, "temperature": 1e-3}
    matches = torch.randint(0, 16, (1, 16, 4))
    found = inner_scale_attention(query, query, key, key, key, matches, **options)
    assert found.attended.isfinite().all()
    assert ((found.confidence >= 0) & (found.confidence <= 1)).all()


def test_the_mask_has_the_gradient_of_a_sigmoid() -> None:
    logits = torch.tensor([-2.0, -0.1, 0.0, 3.0], dtype=torch.float64, requires_grad=True)
    mask = keep_mask(logits)
    mask.sum().backward()
    assert mask.tolist() == [0, 0, 0, 1]
    assert logits.grad is not None
    s = logits.detach().sigmoid()
    torch.testing.assert_close(logits.grad, s * (1 - s))
