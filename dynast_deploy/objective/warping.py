"""Terms on what the attention blocks warp. Each function gives one value a sample, `[N]`, the mean over blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.layer_ops import to_map
from dynast_deploy.objective.picture_terms import per_sample


def warped_map(attention: Attention, height: int, width: int, channels: slice) -> Tensor:
    """A block's warp as a map `[N, C, h, w]`, h and w those of its scale; `height` and `width` those of scale 1.

    Raises:
        ValueError: Where the block warped nothing.
    """
    if attention.warped is None:
        raise ValueError("the block warped nothing: render with a warp picture")
    factor = round((height * width / attention.warped.shape[1]) ** 0.5)
    warped = to_map(attention.warped[..., channels], height // factor, width // factor)
    return warped if warped.dtype == torch.float64 else warped.float()


def warp(attentions: list[Attention], target: Tensor, channels: slice) -> Tensor:
    """L1 between each block's warp of `channels` and what they should be, the target `[N, C, H, W]`, pooled.

    DynaST, section 3.4, where the map is the picture; a surface or segmentation map goes the same way.
    """
    height, width = target.shape[-2:]
    values = []
    for attention in attentions:
        warped = warped_map(attention, height, width, channels)
        values.append(per_sample(warped - F.avg_pool2d(target, width // warped.shape[-1])))
    return torch.stack(values).mean(0)


def coordinate_grid(exemplar: Tensor) -> Tensor:
    """x and y of every pixel's centre as shares of the picture, `[E, 2, H, W]` for an exemplar `[E, 3, H, W]`."""
    count, _, height, width = exemplar.shape
    y = (torch.arange(height, device=exemplar.device, dtype=exemplar.dtype) + 0.5) / height
    x = (torch.arange(width, device=exemplar.device, dtype=exemplar.dtype) + 0.5) / width
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    return grid.expand(count, -1, -1, -1)
