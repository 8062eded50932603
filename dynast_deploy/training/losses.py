"""Terms of the training objective. Pictures are `[N, 3, H, W]` in -1..1; each term is a mean, a scalar."""

from __future__ import annotations

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


def warp_loss(attentions: list[Attention], target: Tensor, first: int = 0) -> Tensor:
    """L1 between each block's warp and the average-pooled `target [N, C, H, W]` (DynaST, section 3.4).

    Compared are the channels `first` to `first + C` of what the blocks warped: the exemplar picture against the target
    picture, or any map of the exemplar (a segmentation, say) against the same map of the target.
    """
    total = target.new_zeros(())
    height, width = target.shape[-2:]
    for attention in attentions:
        assert attention.warped is not None
        factor = round((height * width / attention.warped.shape[1]) ** 0.5)
        warped = to_map(attention.warped, height // factor, width // factor)
        warped = warped[:, first : first + target.shape[1]]
        total = total + F.l1_loss(warped, F.avg_pool2d(target, factor))
    return total / len(attentions)
