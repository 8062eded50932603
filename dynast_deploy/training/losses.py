"""Terms of the training objective. Pictures are `[N, 3, H, W]` in -1..1; each term is a mean, a scalar."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention import Attention
from dynast_deploy.generator import to_map


def reconstruction_loss(image: Tensor, target: Tensor) -> Tensor:
    """L1 of the pictures and of their first differences, so that edges of patterns count beside flat colour."""
    loss = F.l1_loss(image, target)
    for dim in (2, 3):
        loss = loss + F.l1_loss(image.diff(dim=dim), target.diff(dim=dim))
    return loss


def warp_loss(attentions: list[Attention], target: Tensor) -> Tensor:
    """L1 between each block's warped exemplar and the average-pooled target (DynaST, section 3.4).

    The first three channels of every `warped` are the warped picture.
    """
    total = target.new_zeros(())
    for attention, pooled in _per_block(attentions, target):
        total = total + F.l1_loss(attention[:, :3], pooled)
    return total / len(attentions)


def match_loss(attentions: list[Attention], correspondence: Tensor, visible: Tensor) -> Tensor:
    """L1 between each block's warped coordinates and the true ones, where the true ones are known.

    Channels 3 and 4 of every `warped` are the exemplar's warped pixel coordinates x, y in -1..1. `correspondence`
    `[N, 2, H, W]` in the same units is 0 wherever `visible` `[N, 1, H, W]` is 0. Only data with known geometry has it.
    """
    total = correspondence.new_zeros(())
    weights = _per_block(attentions, visible)
    for (attention, pooled), (_, weight) in zip(_per_block(attentions, correspondence), weights, strict=True):
        # Pooled coordinates are sums over the visible pixels of a cell; at the silhouette the rest does not count.
        error = (attention[:, 3:5] * weight - pooled).abs()
        total = total + error.sum() / weight.sum().clamp(min=1) / 2
    return total / len(attentions)


def coordinates(picture: Tensor) -> Tensor:
    """Pixel coordinates x, y of a picture `[N, C, H, W]` in -1..1, edge to edge: `[N, 2, H, W]`."""
    n, _, height, width = picture.shape
    x = (torch.arange(width, device=picture.device) * 2 + 1) / width - 1
    y = (torch.arange(height, device=picture.device) * 2 + 1) / height - 1
    return torch.stack(torch.meshgrid(x, y, indexing="xy")).expand(n, -1, -1, -1)


def _per_block(attentions: list[Attention], picture: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Each block's warp as a map, and the picture average-pooled to its scale."""
    pairs = []
    height, width = picture.shape[-2:]
    for attention in attentions:
        assert attention.warped is not None
        factor = round((height * width / attention.warped.shape[1]) ** 0.5)
        warped = to_map(attention.warped, height // factor, width // factor)
        pairs.append((warped, F.avg_pool2d(picture, factor)))
    return pairs
