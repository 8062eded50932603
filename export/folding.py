"""Weights as inference needs them: spectral norm, batch norm and constants folded into convolutions.

Everything is computed in float64 and rounded once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from dynast_deploy.layers import SPADE


class Weights(NamedTuple):
    """A convolution's weight `[out, in, kH, kW]` and bias `[out]`, float32."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


def plain(conv: nn.Conv2d) -> Weights:
    """The convolution's own weight and bias."""
    assert conv.bias is not None
    return Weights(conv.weight.detach().float().numpy(), conv.bias.detach().float().numpy())


def spectral(conv: nn.Conv2d) -> Weights:
    """`weight_orig / (u . W v)` with the stored vectors, as in eval mode."""
    original, u, v = (getattr(conv, f"weight_{part}").detach().double() for part in ("orig", "u", "v"))
    sigma = torch.dot(u, original.flatten(1) @ v)
    assert conv.bias is not None
    return Weights((original / sigma).float().numpy(), conv.bias.detach().float().numpy())


def batch_normed(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> Weights:
    """The convolution followed by the norm's running statistics."""
    assert conv.bias is not None
    assert norm.running_var is not None
    assert norm.running_mean is not None
    scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    weight = conv.weight.double() * scale[:, None, None, None]
    bias = (conv.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
    return Weights(weight.detach().float().numpy(), bias.detach().float().numpy())


def gamma(spade: SPADE) -> Weights:
    """The convolution that gives `1 + gamma`."""
    weights = plain(spade.mlp_gamma)
    return Weights(weights.weight, weights.bias + 1)


def stacked(parts: list[Weights]) -> Weights:
    """Convolutions of the same input as one, outputs in the given order."""
    return Weights(np.concatenate([p.weight for p in parts]), np.concatenate([p.bias for p in parts]))


def projection(convs: list[nn.Conv2d], channels: int) -> tuple[Weights, NDArray[np.float32]]:
    """1x1 convolutions of `cat(x, pos)` as `x @ weight + (pos @ pos_weight + bias)`, all of them side by side.

    Returns (weight `[channels, out]`, bias `[out]`) and pos_weight `[inputs - channels, out]`.
    """
    joined = stacked([plain(conv) for conv in convs])
    matrix = np.ascontiguousarray(joined.weight[:, :, 0, 0].T)
    return Weights(matrix[:channels], joined.bias), matrix[channels:]
