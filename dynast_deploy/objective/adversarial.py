"""Terms on a discriminator's feature maps, as `Discriminator` gives them: one list a scale, the verdict last.

Each function gives one value a sample, `[N]`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dynast_deploy.objective.picture_terms import per_sample

Judgement = list[list[Tensor]]


def generator_hinge(judged: Judgement) -> Tensor:
    """The generator's side of the hinge loss (Lim and Ye, 2017; Miyato et al., ICLR 2018): minus the verdict."""
    return -_verdicts(judged)


def discriminator_hinge(judged: Judgement, real: bool) -> Tensor:
    """How far verdicts lie below 1 on real pictures, above -1 on painted ones."""
    sign = 1 if real else -1
    return torch.stack([(1 - sign * maps[-1].float()).relu().flatten(1).mean(1) for maps in judged]).mean(0)


def _verdicts(judged: Judgement) -> Tensor:
    return torch.stack([maps[-1].float().flatten(1).mean(1) for maps in judged]).mean(0)


def feature_matching(painted: Judgement, real: Judgement) -> Tensor:
    """L1 between feature maps of painted and real pictures, summed over layers, the mean over scales (pix2pixHD)."""
    values = [
        per_sample(ours.float() - theirs.float().detach())
        for maps, of_real in zip(painted, real, strict=True)
        for ours, theirs in zip(maps[:-1], of_real[:-1], strict=True)
    ]
    return torch.stack(values).sum(0) / len(painted)
