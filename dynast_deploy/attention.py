"""Dynamic sparse attention in its plainest form: the arithmetic that every faster form is tested against.

DynaST (Liu et al., ECCV 2022, section 3.2) lets every query attend to few keys. The coarsest scale looks at all
keys (`dense_attention`) and remembers the `top_k` best, its *matches*. A finer scale looks only at the children of
its parent's matches (`inter_scale_attention`); further layers of one scale look at their own matches and at those of
their four neighbours (`inner_scale_attention`). A second pair of short vectors, the prune query and prune key, decides
for each candidate whether it may contribute at all.

Tensors are token-major, `[N, L, C]` with `L = height * width` counted row by row. Keys and values come from the
exemplar, with batch size E, which is 1 (one exemplar for all queries) or N.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dynast_deploy.attention_interface import Attention

QUERIES_AT_ONCE = 4096
"""How many queries' candidates the sparse layers copy together: 330 MB of keys where 20 have 1024 channels each."""


def keep_mask(prune_logits: Tensor) -> Tensor:
    """1 where the prune query and prune key agree (`> 0`), else 0; its gradient is that of a sigmoid.

    Of any shape; the result has it too.
    """
    hard = (prune_logits > 0).to(prune_logits.dtype)
    if not prune_logits.requires_grad:
        return hard
    soft = prune_logits.sigmoid()
    return hard + (soft - soft.detach())


def warp_weights(logits: Tensor, mask: Tensor, warp_mask: str = "kept") -> Tensor:
    """Attention weights for the warp loss: the softmax over the candidates that the mask keeps.

    `warp_mask="published"` does what the published code does instead, the reverse: it replaces the logits of the
    *kept* candidates by -1e4, so that the weights lie on the dropped ones. Logits, mask and result have one shape,
    `[..., M]` with M candidates.
    """
    kept = mask > 0.5
    if warp_mask == "published":
        return logits.masked_fill(kept, -1e4).softmax(-1)
    return logits.masked_fill(~kept, -1e4).softmax(-1)


def _attend(
    logits: Tensor, prune_logits: Tensor, value: Tensor, warp_source: Tensor | None, warp_mask: str
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Weigh candidates' values `[..., M, V]` by logits `[..., M]`: attended, confidence, warped."""
    weights, mask = logits.softmax(-1), keep_mask(prune_logits)
    kept = (weights * mask).unsqueeze(-2)
    attended, confidence = (kept @ value).squeeze(-2), kept.sum(-1)
    if warp_source is None:
        return attended, confidence, None
    return (
        attended,
        confidence,
        (warp_weights(logits, mask, warp_mask).unsqueeze(-2) @ warp_source).squeeze(-2),
    )


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
    """Every key is a candidate of every query. Shapes as in `inter_scale_attention`, without `matches`."""
    logits = query @ key.mT / temperature
    weights, mask = logits.softmax(-1), keep_mask(query_prune @ key_prune.mT)
    kept = weights * mask
    warped = None if warp_source is None else warp_weights(logits, mask, warp_mask) @ warp_source
    return Attention(kept @ value, kept.sum(-1, keepdim=True), logits.topk(top_k).indices, warped)


def inter_scale_candidates(matches: Tensor, query_width: int, key_width: int) -> Tensor:
    """Children of the parent's matches: `[N, Lq/4, K]` -> `[N, Lq, 4*K]`, indices into this scale's keys.

    The four queries of a 2x2 window have one parent at the coarser scale, whose map is `query_width // 2` wide.
    Each match of that parent is split into its four children, row by row.
    """
    n, parents, k = matches.shape
    rows, columns = matches // (key_width // 2) * 2, matches % (key_width // 2) * 2
    top_left = rows * key_width + columns
    below = top_left + key_width
    children = torch.stack([top_left, top_left + 1, below, below + 1], -1).reshape(n, parents, 4 * k)
    windows = children.reshape(n, -1, 1, query_width // 2, 1, 4 * k)
    return windows.expand(-1, -1, 2, -1, 2, -1).reshape(n, 4 * parents, 4 * k)


def inner_scale_candidates(matches: Tensor, query_width: int, key_width: int, key_length: int) -> Tensor:
    """Own matches and those of the four neighbours, moved back: `[N, Lq, K]` -> `[N, Lq, 5*K]`.

    If the query above matches a key, the key below that one is a candidate here, and so on for below, left and
    right. Moved keys are clamped to the map. Beyond the border a query is its own neighbour.
    """
    n, length, k = matches.shape
    grid = matches.reshape(n, -1, query_width, k)
    rows, columns = grid // key_width, grid % key_width
    last_row, last_column = key_length // key_width - 1, key_width - 1

    def moved(dy: int, dx: int) -> Tensor:
        """Matches of the neighbour at (-dy, -dx), moved by (dy, dx)."""
        row, column = _neighbour(rows, dy, dx) + dy, _neighbour(columns, dy, dx) + dx
        return row.clamp(0, last_row) * key_width + column.clamp(0, last_column)

    return torch.cat([grid, moved(1, 0), moved(-1, 0), moved(0, 1), moved(0, -1)], -1).reshape(
        n, length, 5 * k
    )


def _neighbour(grid: Tensor, dy: int, dx: int) -> Tensor:
    """`grid[n, y - dy, x - dx]`, the border repeated; grid is `[N, H, W, K]`, dy and dx are -1, 0 or 1."""
    _, height, width, _ = grid.shape
    y = (torch.arange(height, device=grid.device) - dy).clamp(0, height - 1)
    x = (torch.arange(width, device=grid.device) - dx).clamp(0, width - 1)
    return grid[:, y][:, :, x]


def inter_scale_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    *,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Attend to the children of the parent scale's matches.

    query `[N, Lq, C]`, query_prune `[N, Lq, P]`, key `[E, Lk, C]`, key_prune `[E, Lk, P]`, value `[E, Lk, V]`, matches
    `[N, Lq/4, K]` of the parent scale, warp_source `[E, Lk, W]`. Widths are those of this scale's maps, in tokens.
    """
    candidates = inter_scale_candidates(matches, query_width, key_width)
    return _sparse(
        query, query_prune, key, key_prune, value, candidates, top_k, temperature, warp_source, warp_mask
    )


def inner_scale_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    *,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Attend to the matches `[N, Lq, K]` of the layer before and of the neighbours; else as `inter_scale_attention`."""
    candidates = inner_scale_candidates(matches, query_width, key_width, key.shape[1])
    return _sparse(
        query, query_prune, key, key_prune, value, candidates, top_k, temperature, warp_source, warp_mask
    )


def _sparse(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    candidates: Tensor,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None,
    warp_mask: str,
) -> Attention:
    """Attention of each query to its own candidates `[N, Lq, M]`, so many queries at a time.

    The copies of keys and values are the largest tensors of a training step by far. No more than those of one part
    exist at once: the gradient makes them again.
    """
    shared = key, key_prune, value, warp_source
    differentiable = torch.is_grad_enabled() and any(
        x is not None and x.requires_grad for x in (query, query_prune, *shared)
    )
    parts = []
    for own in zip(
        *(torch.split(x, QUERIES_AT_ONCE, 1) for x in (query, query_prune, candidates)), strict=True
    ):
        options = top_k, temperature, warp_mask
        if differentiable:
            part = checkpoint(_part, own, shared, *options, use_reentrant=False, preserve_rng_state=False)
        else:
            part = _part(own, shared, *options)
        parts.append(part)
    attended, confidence, matches, warped = zip(*parts, strict=True)
    return Attention(
        torch.cat(attended, 1),
        torch.cat(confidence, 1),
        torch.cat(matches, 1),
        None if warp_source is None else torch.cat(warped, 1),
    )


def _part(
    own: tuple[Tensor, Tensor, Tensor],
    shared: tuple[Tensor, Tensor, Tensor, Tensor | None],
    top_k: int,
    temperature: float,
    warp_mask: str,
) -> Attention:
    """Of some queries: `own` is theirs alone (query, query_prune, candidates), `shared` the exemplar's tensors."""
    query, query_prune, candidates = own
    key, key_prune, value, warp_source = shared
    logits = _dot(query, gather_tokens(key, candidates)) / temperature
    prune_logits = _dot(query_prune, gather_tokens(key_prune, candidates))
    source = None if warp_source is None else gather_tokens(warp_source, candidates)
    attended, confidence, warped = _attend(
        logits, prune_logits, gather_tokens(value, candidates), source, warp_mask
    )
    best = logits.topk(top_k).indices
    return Attention(attended, confidence, candidates.gather(-1, best), warped)


def _dot(query: Tensor, keys: Tensor) -> Tensor:
    """`[N, L, C] . [N, L, M, C] -> [N, L, M]`."""
    return (keys @ query.unsqueeze(-1)).squeeze(-1)


def gather_tokens(tokens: Tensor, indices: Tensor) -> Tensor:
    """`[E, L, C]`, `[N, Lq, M]` -> `[N, Lq, M, C]`; E is 1 or N.

    By `index_select` of one list of all tokens, whose gradient adds up in a fixed order on CPUs. That of indexing by
    two tensors depends on the threads' timing.
    """
    exemplars, length, channels = tokens.shape
    if exemplars > 1:
        indices = indices + torch.arange(exemplars, device=indices.device)[:, None, None] * length
    chosen = tokens.reshape(exemplars * length, channels).index_select(0, indices.flatten())
    return torch.unflatten(chosen, 0, indices.shape)
