"""The same weights without the search of the fine scales. Each class stands in for `Generator.sparse_attention`."""

from __future__ import annotations

import torch
from torch import Tensor

from dynast_deploy.attention import gather_tokens, keep_mask
from dynast_deploy.attention_interface import Attention, SparseAttention


class CoarseMatches:
    """Fine scales fetch where the coarse match points, and search nothing.

    A query takes the key at its own place among the four children of its parent's best match; later layers of a scale
    take the same key again. Its softmax weight is 1, the mask applies as before, and everything else of a block is
    unchanged: so what is missing is the matching of the fine scales, not their features.
    """

    def inter_scale_attention(self, *args: Tensor, **options: object) -> Attention:
        """In place of `attention.inter_scale_attention`: the same arguments and results."""
        matches, key_width, query_width = args[5], int(options["key_width"]), int(options["query_width"])  # type: ignore[call-overload]
        batch, length = args[0].shape[:2]
        parents = matches[..., 0].reshape(batch, -1, query_width // 2)
        rows, columns = parents // (key_width // 2) * 2, parents % (key_width // 2) * 2
        rows, columns = (x.repeat_interleave(2, 1).repeat_interleave(2, 2) for x in (rows, columns))
        own_row = torch.arange(rows.shape[1], device=rows.device)[:, None] % 2
        own_column = torch.arange(query_width, device=rows.device) % 2
        return _fetch(args, ((rows + own_row) * key_width + columns + own_column).reshape(batch, length))

    def inner_scale_attention(self, *args: Tensor, **options: object) -> Attention:
        """In place of `attention.inner_scale_attention`: the same arguments and results."""
        return _fetch(args, args[5][..., 0])


class NoFineAttention:
    """Fine scales fetch nothing: attended values and confidence are 0, so the modulated features take their place."""

    def inter_scale_attention(self, *args: Tensor, **options: object) -> Attention:
        """In place of `attention.inter_scale_attention`: the same arguments and results."""
        best = CoarseMatches().inter_scale_attention(*args, **options)
        return best._replace(attended=0 * best.attended, confidence=0 * best.confidence)

    def inner_scale_attention(self, *args: Tensor, **options: object) -> Attention:
        """In place of `attention.inner_scale_attention`: the same arguments and results."""
        best = _fetch(args, args[5][..., 0])
        return best._replace(attended=0 * best.attended, confidence=0 * best.confidence)


def _fetch(args: tuple[Tensor, ...], key: Tensor) -> Attention:
    """Each query's one key `[N, Lq]`, with softmax weight 1."""
    _, query_prune, _, key_prune, value, matches = args
    candidates = key.long()[..., None]
    agreement = (gather_tokens(key_prune, candidates) * query_prune[:, :, None]).sum(-1)
    kept = keep_mask(agreement)
    attended = gather_tokens(value, candidates)[:, :, 0] * kept
    return Attention(attended, kept, candidates.expand(-1, -1, matches.shape[2]))


ABLATIONS: dict[str, type[SparseAttention]] = {
    "coarse_matches": CoarseMatches,
    "no_fine_attention": NoFineAttention,
}
