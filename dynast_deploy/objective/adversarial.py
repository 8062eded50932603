"""Terms on a discriminator's feature maps, as `Discriminator` gives them: one list a scale.

The last map of each list holds the patch scores. Each function gives one value a sample, `[N]`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dynast_deploy.objective.picture_terms import per_sample

ScaleMaps = list[list[Tensor]]
"""Feature maps `[N, C, h, w]` of every layer, at every scale."""


def generator_hinge(scales: ScaleMaps) -> Tensor:
    """The generator's side of the hinge loss (Lim and Ye, 2017; Miyato et al., ICLR 2018): minus the mean score.

    A value for each sample, `[N]`.
    """
    return -_scores(scales)


def discriminator_hinge(scales: ScaleMaps, real: bool) -> Tensor:
    """How far patch scores lie below 1 on real pictures, above -1 on generated ones.

    A value for each sample, `[N]`.
    """
    sign = 1 if real else -1
    return torch.stack([(1 - sign * maps[-1].float()).relu().flatten(1).mean(1) for maps in scales]).mean(0)


def _scores(scales: ScaleMaps) -> Tensor:
    return torch.stack([maps[-1].float().flatten(1).mean(1) for maps in scales]).mean(0)


def feature_matching(generated: ScaleMaps, real: ScaleMaps) -> Tensor:
    """L1 between feature maps of generated and real pictures, summed over layers, the mean over scales (pix2pixHD).

    A value for each sample, `[N]`.
    """
    values = [
        per_sample(ours.float() - theirs.float().detach())
        for maps, of_real in zip(generated, real, strict=True)
        for ours, theirs in zip(maps[:-1], of_real[:-1], strict=True)
    ]
    return torch.stack(values).sum(0) / len(generated)
