"""The two sparse attention layers with candidates gathered into tensors, arranged as the published code does.

Shapes as in `dynast_deploy.attention`, whose arithmetic this is; there one form serves both layers.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention import (
    Attention,
    gather_tokens,
    inner_scale_candidates,
    inter_scale_candidates,
    keep_mask,
)
from dynast_deploy.generator import to_map, to_tokens


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
) -> Attention:
    """Windows of 2x2 queries, made by unfold, against the 4*K candidates that they share; results made maps by fold."""
    n, length, _ = query.shape
    height = length // width
    shared = inter_scale_candidates(matches, width, width).unflatten(1, (height // 2, 2, width // 2, 2))
    candidates = shared[:, :, 0, :, 0].flatten(1, 2)  # [N, L/4, 4K]

    def windows(tokens: Tensor) -> Tensor:
        """`[N, L, C]` -> `[N, L/4, 4, C]`."""
        unfolded = F.unfold(to_map(tokens, height, width), 2, stride=2)
        return unfolded.unflatten(1, (-1, 4)).permute(0, 3, 2, 1)

    def tokens(windows: Tensor) -> Tensor:
        """`[N, L/4, 4, C]` -> `[N, L, C]`."""
        columns = windows.permute(0, 3, 2, 1).flatten(1, 2)
        return to_tokens(F.fold(columns, (height, width), 2, stride=2))

    logits = windows(query) @ gather_tokens(key, candidates).mT / temperature  # [N, L/4, 4, 4K]
    mask = keep_mask(windows(query_prune) @ gather_tokens(key_prune, candidates).mT)
    kept = logits.softmax(-1) * mask
    attended = kept @ gather_tokens(value, candidates)
    best = candidates.unsqueeze(2).expand(-1, -1, 4, -1).gather(-1, logits.topk(top_k).indices)
    next_matches = best.unflatten(1, (height // 2, width // 2)).unflatten(3, (2, 2)).transpose(2, 3)
    return Attention(
        tokens(attended), tokens(kept.sum(-1, keepdim=True)), next_matches.reshape(n, length, top_k)
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
) -> Attention:
    """Every query against its own 5*K candidates; dot products are broadcast products, summed."""
    candidates = inner_scale_candidates(matches, width, width, key.shape[1])  # [N, L, 5K]
    keys, prune_keys = gather_tokens(key, candidates), gather_tokens(key_prune, candidates)
    values = gather_tokens(value, candidates)
    logits = (query.unsqueeze(2) * keys).sum(-1) / temperature
    mask = keep_mask((query_prune.unsqueeze(2) * prune_keys).sum(-1))
    kept = logits.softmax(-1) * mask
    attended = (kept.unsqueeze(2) @ values).squeeze(2)
    return Attention(attended, kept.sum(-1, keepdim=True), candidates.gather(-1, logits.topk(top_k).indices))
