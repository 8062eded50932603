"""The matching term: where a picture's true correspondence is known, every block is told which key to find.

The warp loss of the paper tells a block only that the colours it fetched are wrong, through the few candidates that it
happened to look at. Rendered people have exact correspondences, so a block's logits can be trained directly: as a
classification of sampled queries over the keys around the true place and over keys from all over the picture (the
InfoNCE form of van den Oord et al., 2018), and its prune vectors as a classification of the same pairs.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Exemplar

QUERIES = 256
"""Queries sampled from each picture, for each block."""

ELSEWHERE = 192
"""Keys from all over the exemplar that every query is compared with."""

REACH = 2
"""Keys to each side of the true place that are compared."""

NEAR = 1.0
"""Keys closer than this to the true place may be kept by the mask."""


MOVED = 4.0
"""How much likelier a query is sampled whose match lies elsewhere in the picture than it does itself."""


class Truth(NamedTuple):
    """Of sampled queries at one scale.

    tokens `[N, M]`; places `[N, M, 2]`, the true matches (x, y in keys, the centre of key (0, 0) at (0, 0)); visible
    and known, float32 `[N, M]` of 0 and 1: whether the exemplar shows the match, and whether the truth is known at all.
    """

    tokens: Tensor
    places: Tensor
    visible: Tensor
    known: Tensor


def sample_truth(correspondence: Tensor, scale: int) -> Truth:
    """Queries at random; a known match that is hidden in the exemplar is one that nothing must be fetched from.

    correspondence: `[N, 3, H, W]`, x and y of the match as a share of the picture (0..1, a pixel's centre at
    (index + 0.5) / size) and 1 where it is visible; x and y are 0 where the truth is not known.
    """
    factor = 2 ** (scale - 1)
    # A cell's centre is a pixel corner; the pixel right below it stands for the cell, moved back by half a pixel.
    back = 0.5 if factor > 1 else 0.0
    middle = correspondence[:, :, factor // 2 :: factor, factor // 2 :: factor]
    height, width = middle.shape[-2:]
    xy, visible = middle[:, :2].flatten(2).mT, middle[:, 2].flatten(1)
    y, x = torch.meshgrid(*(torch.arange(n, device=xy.device) for n in (height, width)), indexing="ij")
    own = torch.stack([x, y], -1).reshape(-1, 2)
    places = xy * xy.new_tensor([width, height]) - 0.5 - back / factor
    known = (xy > 0).any(-1)
    likelihood = torch.where((places - own).abs().amax(-1) > 1, MOVED, 1.0) * known + 1e-6
    # The largest of u^(1/w) is a weighted sample without repetition (Efraimidis and Spirakis, 2006).
    tokens = (
        torch.rand_like(likelihood).pow(1 / likelihood).topk(min(QUERIES, height * width), dim=1).indices
    )
    return Truth(
        tokens, _rows(places, tokens), visible.gather(1, tokens), known.to(visible.dtype).gather(1, tokens)
    )


def matching_terms(
    config: GeneratorConfig, exemplar: Exemplar, queries: list[tuple[Tensor, Tensor]], correspondence: Tensor
) -> tuple[Tensor, Tensor]:
    """Means over all blocks of the matching loss and of the prune loss, both scalars.

    `queries` as `Generator.render_with_attention` collects them; `correspondence` as in `sample_truth`, of pairs of
    one exemplar for each condition. Both terms are 0 where no match is visible.
    """
    matching = prune = correspondence.new_zeros(())
    for number, ((query, query_prune), block) in enumerate(zip(queries, exemplar.blocks, strict=True)):
        scale = 4 - number // config.n_layers
        temperature = query.shape[-1] ** 0.5 if scale == 4 else config.smooth
        truth = sample_truth(correspondence, scale)
        width = exemplar.width // 2 ** (scale - 1)
        found = _block_terms(
            _rows(query, truth.tokens) / temperature,
            _rows(query_prune, truth.tokens),
            block.key,
            block.key_prune,
            truth,
            width,
        )
        matching, prune = matching + found[0], prune + found[1]
    return matching / len(queries), prune / len(queries)


def _block_terms(
    query: Tensor, query_prune: Tensor, key: Tensor, key_prune: Tensor, truth: Truth, width: int
) -> tuple[Tensor, Tensor]:
    """Matching and prune loss of one block for sampled queries `[N, M, C]`, already divided by the temperature."""
    around = _around(truth.places, width, key.shape[1] // width)
    n, m, near = around.tokens.shape
    close, close_prune = (
        _rows(keys, around.tokens.flatten(1)).unflatten(1, (m, near)) for keys in (key, key_prune)
    )
    elsewhere = torch.randint(key.shape[1], (n, min(ELSEWHERE, key.shape[1])), device=key.device)
    places = torch.stack([elsewhere % width, elsewhere // width], -1).to(truth.places.dtype)
    apart = torch.cdist(truth.places, places)
    # Keys from elsewhere that lie in the window already count there.
    compared = torch.cat([around.inside, apart > REACH * 2**0.5 + 1], -1)
    logits = torch.cat(
        [(close @ query[..., None])[..., 0], query @ _rows(key, elsewhere).mT], -1
    ).masked_fill(~compared, -1e4)
    matching = -(logits.log_softmax(-1)[..., :near] * around.share).sum(-1)

    prune_logits = torch.cat(
        [(close_prune @ query_prune[..., None])[..., 0], query_prune @ _rows(key_prune, elsewhere).mT], -1
    )
    keep = (torch.cat([around.distance, apart], -1) < NEAR) * truth.visible[..., None]
    errors = F.binary_cross_entropy_with_logits(prune_logits, keep, reduction="none")
    # Kept and dropped keys weigh the same, few as the kept ones are.
    prune = _mean_where(errors, keep) + _mean_where(errors, compared * (1 - keep))
    return _mean_where(matching.flatten(), truth.visible.flatten()), _mean_where(
        prune.flatten(), truth.known.flatten()
    )


def _mean_where(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum(-1) / weight.sum(-1).clamp(min=1)


class _Around(NamedTuple):
    """Keys of the window around a place, `[N, M, K]` each: tokens; whether they lie on the map; how far they are from the
    place, in keys; and the share of the truth that each holds, bilinear in the four keys around the place."""

    tokens: Tensor
    inside: Tensor
    distance: Tensor
    share: Tensor


def _around(places: Tensor, width: int, height: int) -> _Around:
    steps = torch.arange(-REACH, REACH + 1, device=places.device)
    offsets = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1).reshape(-1, 2)
    limit = places.new_tensor([width - 1, height - 1])
    places = torch.minimum(places, limit).clamp(min=0)[..., None, :]
    keys = places.round() + offsets
    inside = ((keys >= 0) & (keys <= limit)).all(-1)
    apart = keys - places
    share = (1 - apart.abs()).clamp(min=0).prod(-1) * inside
    keys = torch.minimum(keys, limit).clamp(min=0)
    return _Around((keys[..., 0] + keys[..., 1] * width).long(), inside, apart.norm(dim=-1), share)


def _rows(table: Tensor, rows: Tensor) -> Tensor:
    """`table [N or 1, L, C]` at `rows [N, M]`: `[N, M, C]`."""
    table = table.expand(rows.shape[0], -1, -1)
    return table.gather(1, rows[..., None].expand(-1, -1, table.shape[2]))
