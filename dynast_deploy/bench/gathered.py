"""Attention with candidates gathered into tensors, arranged as the published code does, forward and in training.

Shapes as in `dynast_deploy.attention`, whose arithmetic this is; there one form serves both sparse layers. Dot
products of the inner-scale layer and its sums of values are broadcast products, summed; gathered keys are transposed
into memory before they are multiplied; a warp computes the logits again. `warp_mask` is as in `warp_weights`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention import (
    gather_tokens,
    inner_scale_candidates,
    inter_scale_candidates,
    warp_weights,
)
from dynast_deploy.attention_interface import Attention
from dynast_deploy.layer_ops import to_map, to_tokens


class KeepMask(torch.autograd.Function):
    """1 where positive, else 0; the gradient is that of a sigmoid."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, prune_logits: Tensor) -> Tensor:
        """1 where a logit is positive, else 0, in the logits' type. Of any shape."""
        ctx.save_for_backward(prune_logits.sigmoid())
        return (prune_logits > 0).to(prune_logits.dtype)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad: Tensor) -> Tensor:
        """The gradient as if `forward` were a sigmoid. Of any shape."""
        (soft,) = ctx.saved_tensors  # type: ignore[attr-defined]
        result: Tensor = grad * soft * (1 - soft)
        return result


def keep_mask(prune_logits: Tensor) -> Tensor:
    """`KeepMask` as a function: 0 or 1 for each logit. Of any shape."""
    result: Tensor = KeepMask.apply(prune_logits)  # type: ignore[no-untyped-call, unused-ignore]
    return result


def dense_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    *,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Every query against every key. Shapes as in `attention.dense_attention`."""
    mask = keep_mask(query_prune @ key_prune.mT)
    logits = query @ key.mT / temperature
    kept = logits.softmax(-1) * mask
    warped = None if warp_source is None else warp_weights(logits, mask, warp_mask) @ warp_source
    return Attention(kept @ value, kept.sum(-1, keepdim=True), logits.topk(top_k).indices, warped)


def inter_scale_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    *,
    width: int,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Windows of 2x2 queries, made by unfold, against the 4*K candidates that they share; results made maps by fold.

    Shapes as in `attention.inter_scale_attention`.
    """
    n, length, _ = query.shape
    height = length // width
    shared = inter_scale_candidates(matches, width, width).unflatten(1, (height // 2, 2, width // 2, 2))  # type: ignore[no-untyped-call, unused-ignore]
    candidates = shared[:, :, 0, :, 0].flatten(1, 2)  # [N, L/4, 4K]

    def windows(tokens: Tensor) -> Tensor:
        """`[N, L, C]` -> `[N, L/4, 4, C]`."""
        unfolded = F.unfold(to_map(tokens, height, width), 2, stride=2)
        result: Tensor = unfolded.unflatten(1, (-1, 4)).permute(0, 3, 2, 1).contiguous()  # type: ignore[no-untyped-call, unused-ignore]
        return result

    def tokens(windows: Tensor) -> Tensor:
        """`[N, L/4, 4, C]` -> `[N, L, C]`."""
        columns = windows.permute(0, 3, 2, 1).flatten(1, 2)
        return to_tokens(F.fold(columns, (height, width), 2, stride=2))

    query_windows = windows(query)
    keys = gather_tokens(key, candidates).mT.contiguous()  # [N, L/4, C, 4K]
    prune_keys = gather_tokens(key_prune, candidates).mT.contiguous()
    logits = query_windows @ keys / temperature  # [N, L/4, 4, 4K]
    mask = keep_mask(windows(query_prune) @ prune_keys)
    kept = logits.softmax(-1) * mask
    attended = kept @ gather_tokens(value, candidates)
    warped = None
    if warp_source is not None:
        weights = warp_weights(query_windows @ keys / temperature, mask, warp_mask)
        warped = tokens(weights @ gather_tokens(warp_source, candidates))
    best = candidates.unsqueeze(2).expand(-1, -1, 4, -1).gather(-1, logits.topk(top_k).indices)
    next_matches = best.unflatten(1, (height // 2, width // 2)).unflatten(3, (2, 2)).transpose(2, 3)
    return Attention(
        tokens(attended),
        tokens(kept.sum(-1, keepdim=True)),
        next_matches.reshape(n, length, top_k),
        warped,
    )


def inner_scale_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    *,
    width: int,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Every query against its own 5*K candidates. Shapes as in `attention.inner_scale_attention`."""
    candidates = inner_scale_candidates(matches, width, width, key.shape[1])  # [N, L, 5K]
    keys = gather_tokens(key, candidates).mT.contiguous()  # [N, L, C, 5K]
    prune_keys = gather_tokens(key_prune, candidates).mT.contiguous()

    def products(rows: Tensor, columns: Tensor) -> Tensor:
        """`[N, L, C]`, `[N, L, C, 5K]` -> `[N, L, 5K]`."""
        return (rows.unsqueeze(-1) * columns).sum(-2)

    def weighted(weights: Tensor, table: Tensor) -> Tensor:
        """Sums of the candidates' rows of `[E, L, V]` under weights `[N, L, 5K]`."""
        return (weights.unsqueeze(-1) * gather_tokens(table, candidates)).sum(-2)

    logits = products(query, keys) / temperature
    mask = keep_mask(products(query_prune, prune_keys))
    kept = logits.softmax(-1) * mask
    warped = None
    if warp_source is not None:
        weights = warp_weights(products(query, keys) / temperature, mask, warp_mask)
        warped = weighted(weights, warp_source)
    best = candidates.gather(-1, logits.topk(top_k).indices)
    return Attention(weighted(kept, value), kept.sum(-1, keepdim=True), best, warped)
