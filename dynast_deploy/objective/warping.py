"""Terms on what the attention blocks warp. Each function gives one value a sample, `[N]`, the mean over blocks."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention import Attention
from dynast_deploy.generator import to_map
from dynast_deploy.objective.pictures import per_sample


def warped_map(attention: Attention, height: int, width: int, channels: slice) -> Tensor:
    """A block's warp as a map `[N, C, h, w]`, h and w those of its scale; `height` and `width` those of scale 1."""
    if attention.warped is None:
        raise ValueError("the block warped nothing: render with a warp picture")
    factor = round((height * width / attention.warped.shape[1]) ** 0.5)
    warped = to_map(attention.warped[..., channels], height // factor, width // factor)
    return warped if warped.dtype == torch.float64 else warped.float()


def warp(warps: list[Tensor], target: Tensor) -> Tensor:
    """L1 between each block's warp of a map of the exemplar and the same map of the target `[N, C, H, W]`, pooled.

    DynaST, section 3.4, where the map is the picture; a surface or segmentation map goes the same way.
    """
    values = [per_sample(warped - _pooled(target, warped)) for warped in warps]
    return torch.stack(values).mean(0)


def coordinates(warps: list[Tensor], correspondence: Tensor) -> Tensor:
    """L1 between where each block looks on average and the true match, at visible positions, in shares of the picture.

    warps: of the exemplar's own coordinates, `[N, 2, h, w]` (x, y). correspondence `[N, 3, H, W]`: x, y and whether the
    match is visible; a position of a coarse map counts by the share of its pixels that are. The loss on the expected
    position of integral regression (Sun et al., Integral Human Pose Regression, ECCV 2018).
    """
    visible = correspondence[:, 2:]
    values = []
    for warped in warps:
        seen = _pooled(visible, warped)
        position = _pooled(correspondence[:, :2] * visible, warped) / seen.clamp_min(1e-6)
        distance = (warped - position).abs().sum(1, keepdim=True) * seen
        values.append(distance.flatten(1).sum(1) / seen.flatten(1).sum(1).clamp_min(1))
    return torch.stack(values).mean(0)


def coordinate_grid(exemplar: Tensor) -> Tensor:
    """x and y of every pixel's centre as shares of the picture, `[E, 2, H, W]` for an exemplar `[E, 3, H, W]`."""
    count, _, height, width = exemplar.shape
    y = (torch.arange(height, device=exemplar.device, dtype=exemplar.dtype) + 0.5) / height
    x = (torch.arange(width, device=exemplar.device, dtype=exemplar.dtype) + 0.5) / width
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)])
    return grid.expand(count, -1, -1, -1)


def _pooled(values: Tensor, like: Tensor) -> Tensor:
    return F.avg_pool2d(values, values.shape[-1] // like.shape[-1])
