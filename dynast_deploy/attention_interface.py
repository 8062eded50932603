"""What an attention layer takes and gives, whichever implementation computes it.

Tensors are token-major, `[N, L, C]`. Keys and values come from the exemplar, with batch size E, which is 1 (one
exemplar for all queries) or N.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Attention(NamedTuple):
    """What an attention layer gives for N frames of Lq queries each.

    attended: `[N, Lq, V]`, the weighted sum of the values of the kept candidates, not renormalised.
    confidence: `[N, Lq, 1]` in 0..1, the softmax weight that the kept candidates hold together.
    matches: `[N, Lq, top_k]` int64, the keys of the largest logits, best first, mask ignored.
    warped: `[N, Lq, W]`, the warp source under the attention weights, or None if there was none.
    """

    attended: Tensor
    confidence: Tensor
    matches: Tensor
    warped: Tensor | None = None


class SparseAttention(Protocol):
    """A module or an object that computes the two sparse layers as `dynast_deploy.attention` does.

    query `[N, Lq, C]`, query_prune `[N, Lq, P]`, key `[E, Lk, C]`, key_prune `[E, Lk, P]`, value `[E, Lk, V]`,
    warp_source `[E, Lk, W]`. Widths are those of this scale's maps, in tokens. warp_mask is "kept" or "published".
    """

    def inter_scale_attention(
        self,
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
        """Attend to the children of the matches `[N, Lq/4, K]` of the parent scale."""

    def inner_scale_attention(
        self,
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
        """Attend to the matches `[N, Lq, K]` of the layer before and of the neighbours."""
