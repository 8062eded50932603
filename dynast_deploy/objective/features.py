"""Terms on VGG19's features, as `vgg.VGG19` gives them. Each function gives one value a sample, `[N]`."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.objective.picture_terms import per_sample
from dynast_deploy.objective.vgg import Features

LAYER_WEIGHTS = {"relu1_2": 1 / 32, "relu2_2": 1 / 16, "relu3_2": 1 / 8, "relu4_2": 1 / 4, "relu5_2": 1.0}
STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2")

CONTEXTUAL_LAYERS = {"relu3_2": (2, 2.0), "relu4_2": (1, 4.0), "relu5_2": (1, 8.0)}
"""By how much a map is pooled first, and the layer's weight: CoCosNet's."""

BANDWIDTH = 0.1


def layers_l1(ours: Features, theirs: Features) -> Tensor:
    """Weighted L1 of the five layers (pix2pixHD's VGG loss; layers and weights as in CoCosNet and DynaST).

    A value for each sample, `[N]`.
    """
    values = [weight * per_sample(ours[name] - theirs[name]) for name, weight in LAYER_WEIGHTS.items()]
    return torch.stack(values).sum(0)


def perceptual(ours: Features, theirs: Features) -> Tensor:
    """Mean squared difference of relu4_2 (Johnson et al., ECCV 2016; the layer as in CoCosNet and DynaST).

    A value for each sample, `[N]`.
    """
    return (ours["relu4_2"] - theirs["relu4_2"]).square().flatten(1).mean(1)


def style(ours: Features, theirs: Features) -> Tensor:
    """Differences of every channel's mean and deviation (AdaIN, Huang and Belongie, ICCV 2017, equation 13).

    L1 instead of the paper's L2, so that the value is on the scale of `layers_l1`. A value for each sample, `[N]`.
    """
    return torch.stack(
        [per_sample(_statistics(ours[name]) - _statistics(theirs[name])) for name in STYLE_LAYERS]
    ).sum(0)


def _statistics(x: Tensor) -> Tensor:
    return torch.cat([x.mean((2, 3)), (x.var((2, 3), unbiased=False) + 1e-5).sqrt()], 1)


def contextual(ours: Features, theirs: Features) -> Tensor:
    """The contextual loss (Mechrez et al., ECCV 2018) of three layers, weighted as in CoCosNet (Zhang et al., 2020).

    As there, each of our positions looks for its best match among theirs. A value for each sample, `[N]`.
    """
    values = []
    for name, (factor, weight) in CONTEXTUAL_LAYERS.items():
        x, y = (F.avg_pool2d(maps[name], factor) for maps in (ours, theirs))
        values.append(weight * contextual_distance(x.flatten(2), y.flatten(2)))
    return torch.stack(values).sum(0)


def contextual_distance(x: Tensor, y: Tensor) -> Tensor:
    """Minus the logarithm of the contextual similarity of features `[N, C, Lx]` to features `[N, C, Ly]`."""
    centre = y.mean(2, keepdim=True)
    x, y = F.normalize(x - centre, dim=1), F.normalize(y - centre, dim=1)
    distance = 1 - x.mT @ y
    relative = distance / (distance.amin(2, keepdim=True) + 1e-3)
    affinity = ((1 - relative) / BANDWIDTH).softmax(2)
    return -affinity.amax(2).mean(1).log()
