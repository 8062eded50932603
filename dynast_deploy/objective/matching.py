"""The matching term: where a picture's true correspondence is known, every block is told which key to find.

The warp loss of the paper tells a block only that the colours it fetched are wrong, through the few candidates that it
happened to look at. Rendered people have exact correspondences, so a block's logits can be trained directly: as a
classification of sampled queries over the keys around the true place and over keys from all over the picture (the
InfoNCE form of van den Oord et al., 2018), and its prune vectors as a classification of the same pairs.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Exemplar
from dynast_deploy.objective.backdrop_matches import match_backdrop
from dynast_deploy.objective.warping import coordinate_grid

QUERIES = 768
"""Queries sampled from each picture, for each block."""

ELSEWHERE = 192
"""Keys from all over the exemplar that every query is compared with."""

REACH = 2
"""Keys to each side of the true place that are compared."""

NEAR = 1.0
"""Keys closer than this to the true place may be kept by the mask."""


MOVED = 8.0
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


def known_matches(batch: Mapping[str, Any]) -> Tensor:
    """`[N, 4, H, W]` of a batch: x and y of each pixel's match in shares of the picture, whether it is visible (0 or
    1), and whether the truth is known (0 or 1).

    `correspondence` alone knows of visible matches. Where the batch has surface codes too, pixels of the figure without
    a visible match are known to have none, the backdrop near the figure moves with it (`match_backdrop`), as far as
    that is known, and the rest of the backdrop stays where it is.
    """
    correspondence = batch["correspondence"]
    places, visible = correspondence[:, :2], correspondence[:, 2:]
    known = visible
    if "target_surface" in batch:
        backdrop = batch["target_surface"][:, -1:] == 0
        places = torch.where(backdrop, coordinate_grid(batch["exemplar"]), places)
        behind = batch["exemplar_surface"][:, -1:] != 0
        visible = torch.where(backdrop, (~behind).to(visible.dtype), visible)
        moved = [
            _backdrop_matches_of_sample(*sample)
            for sample in zip(~backdrop[:, 0].cpu(), behind[:, 0].cpu(), correspondence.cpu(), strict=True)
        ]
        near, found, matches = (torch.stack(part).to(places.device) for part in zip(*moved, strict=True))
        places = torch.where(found, matches, places)
        visible = torch.where(near, found.to(visible.dtype), visible)
        known = 1 - (near & ~found).to(visible.dtype)
    return torch.cat([places, visible, known], 1)


def _backdrop_matches_of_sample(
    target: Tensor, exemplar: Tensor, correspondence: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Of one sample, on the CPU, as `match_backdrop` gives them: near and found, bool `[1, H, W]`, and the matches in
    shares of the picture, `[2, H, W]`. target and exemplar are figures, bool `[H, W]`."""
    size = np.array(target.shape[::-1], np.float32)[:, None, None]
    shares, visible = correspondence[:2].numpy(), correspondence[2].numpy() > 0
    backdrop = match_backdrop(target.numpy(), exemplar.numpy(), shares * size - 0.5, visible)
    near, found = (torch.from_numpy(mask)[None] for mask in (backdrop.near, backdrop.found))
    return near, found, torch.from_numpy((backdrop.matches + 0.5) / size)


def sample_truth(matches: Tensor, scale: int, seeds: list[int]) -> Truth:
    """Queries at random from `matches` as `known_matches` gives them; each sample's seed determines its queries.

    `matches` is `[N, 4, H, W]`.
    """
    factor = 2 ** (scale - 1)
    # A cell's centre is a pixel corner; the pixel right below it stands for the cell, moved back by half a pixel.
    back = 0.5 / factor if factor > 1 else 0.0
    middle = matches[:, :, factor // 2 :: factor, factor // 2 :: factor]
    height, width = middle.shape[-2:]
    places = middle[:, :2].flatten(2).mT * middle.new_tensor([width, height]) - 0.5 - back
    visible, known = middle[:, 2].flatten(1), middle[:, 3].flatten(1)
    y, x = torch.meshgrid(*(torch.arange(n, device=middle.device) for n in (height, width)), indexing="ij")
    own = torch.stack([x, y], -1).reshape(-1, 2)
    moved = (places - own).abs().amax(-1) > 1
    likelihood = torch.where(moved, MOVED, 1.0) * known + 1e-6
    chance = torch.stack([torch.rand(height * width, generator=_random(seed, scale)) for seed in seeds])
    # The largest of u^(1/w) is a weighted sample without repetition (Efraimidis and Spirakis, 2006).
    tokens = (chance.to(middle.device).log() / likelihood).topk(min(QUERIES, height * width), dim=1).indices
    return Truth(tokens, _rows(places, tokens), visible.gather(1, tokens), known.gather(1, tokens))


def matching_terms(
    config: GeneratorConfig,
    exemplar: Exemplar,
    queries: list[tuple[Tensor, Tensor]],
    batch: Mapping[str, Any],
) -> tuple[Tensor, Tensor]:
    """The matching loss and the prune loss, one value a sample, `[N]` each: means over all blocks.

    `queries` are what `Generator.render_with_attention` collects; the batch holds one exemplar for each condition.
    Which queries and keys are compared depends on the samples' names alone. Both are 0 where no truth is known.
    """
    matches, seeds = known_matches(batch), [zlib.crc32(name.encode()) for name in batch["name"]]
    found = []
    for number, ((query, query_prune), block) in enumerate(zip(queries, exemplar.blocks, strict=True)):
        scale = 4 - number // config.n_layers
        temperature = query.shape[-1] ** 0.5 if scale == 4 else config.smooth
        truth = sample_truth(matches, scale, seeds)
        length = block.key.shape[1]
        elsewhere = torch.stack(
            [
                torch.randint(length, (min(ELSEWHERE, length),), generator=_random(seed, -scale))
                for seed in seeds
            ]
        )
        found.append(
            _block_terms(
                _rows(query.float(), truth.tokens) / temperature,
                _rows(query_prune.float(), truth.tokens),
                block.key.float(),
                block.key_prune.float(),
                truth,
                elsewhere.to(query.device),
                exemplar.width // 2 ** (scale - 1),
            )
        )
    matching, prune = (torch.stack(values).mean(0) for values in zip(*found, strict=True))
    return matching, prune


def _random(seed: int, purpose: int) -> torch.Generator:
    """On the CPU, so that every device compares the same."""
    return torch.Generator().manual_seed(seed * 16 + 8 + purpose)


def _block_terms(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    truth: Truth,
    elsewhere: Tensor,
    width: int,
) -> tuple[Tensor, Tensor]:
    """Matching and prune loss of one block, `[N]` each, for sampled queries `[N, M, C]`, already divided by the
    temperature; `elsewhere [N, R]` are the keys that all of a sample's queries are compared with."""
    around = _around(truth.places, width, key.shape[1] // width)
    _, m, near = around.tokens.shape
    close, close_prune = (
        torch.unflatten(_rows(keys, around.tokens.flatten(1)), 1, (m, near)) for keys in (key, key_prune)
    )
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
    return _mean_where(matching, truth.visible), _mean_where(prune, truth.known)


def _mean_where(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum(-1) / weight.sum(-1).clamp(min=1)


class _Around(NamedTuple):
    """Keys of the window around a place, `[N, M, K]` each: tokens; whether they lie on the map; how far they are from
    the place, in keys; and the share of the truth that each holds, bilinear in the four keys around the place."""

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
