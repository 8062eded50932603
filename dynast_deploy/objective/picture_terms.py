"""Terms on the pictures themselves, without a pretrained network.

Pictures are `[N, 3, H, W]` in -1..1; each function gives one value a sample, `[N]`.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

PYRAMID_LEVELS = 4
_LUMA = (0.299, 0.587, 0.114)


def per_sample(difference: Tensor) -> Tensor:
    """The mean of absolute values of every sample: `[N, ...]` -> `[N]`."""
    return difference.abs().flatten(1).mean(1)


def reconstruction(image: Tensor, target: Tensor) -> Tensor:
    """L1 of the pictures and of their first differences, so that edges of patterns count as well as flat colour.

    The pixel term is that of pix2pix (Isola et al., CVPR 2017); that of the differences is the gradient difference
    loss of Mathieu et al., ICLR 2016, with signed differences. Pictures `[N, 3, H, W]` -> `[N]`.
    """
    difference = image - target
    return per_sample(difference) + sum(per_sample(difference.diff(dim=dim)) for dim in (2, 3))


def mse(image: Tensor, target: Tensor) -> Tensor:
    """The mean squared difference, which is what PSNR measures. Pictures `[N, 3, H, W]` -> `[N]`."""
    return (image - target).square().flatten(1).mean(1)


def palette(image: Tensor, exemplar: Tensor) -> Tensor:
    """L1 between means and deviations of colours and of their first differences, at `PYRAMID_LEVELS` resolutions.

    The style loss of AdaIN (Huang and Belongie, ICCV 2017, equation 13) on fixed filters instead of VGG features, for
    training without a pretrained network. Pictures `[N, 3, H, W]` -> `[N]`.
    """
    total = image.new_zeros(len(image))
    for level in range(PYRAMID_LEVELS):
        ours, theirs = _statistics(image), _statistics(exemplar)
        total = total + per_sample(ours - theirs)
        if level + 1 < PYRAMID_LEVELS:
            image, exemplar = F.avg_pool2d(image, 2), F.avg_pool2d(exemplar, 2)
    return total / PYRAMID_LEVELS


def _statistics(picture: Tensor) -> Tensor:
    """Means and deviations of each colour and deviations of its first differences, `[N, 12]`."""
    across, down = picture.diff(dim=3), picture.diff(dim=2)
    return torch.cat(
        [picture.mean((2, 3)), *(_deviation(values) for values in (picture, across, down))], dim=1
    )


def _deviation(values: Tensor) -> Tensor:
    # The gradient of a square root is infinite at 0, where flat pictures are.
    return (values.var((2, 3), unbiased=False) + 1e-6).sqrt()


def structure(image: Tensor, content: Tensor) -> Tensor:
    """L1 of the first differences of both pictures' brightness, each normalised to mean 0 and deviation 1.

    What is left of a picture's brightness once its style, in the sense of AdaIN, is taken out; stands in for the
    content loss on VGG features where there are none. Pictures `[N, 3, H, W]` -> `[N]`.
    """
    ours, theirs = _normalised_brightness(image), _normalised_brightness(content)
    difference = ours - theirs
    return sum((per_sample(difference.diff(dim=dim)) for dim in (2, 3)), per_sample(difference))


def _normalised_brightness(picture: Tensor) -> Tensor:
    weights = picture.new_tensor(_LUMA)[:, None, None]
    brightness = (picture * weights).sum(1, keepdim=True)
    centred = brightness - brightness.mean((2, 3), keepdim=True)
    return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-4).sqrt()
