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


def modulation(spade: SPADE) -> Weights:
    """gamma and beta of one SPADE as a single convolution, `1 +` gamma included."""
    gamma, beta = plain(spade.mlp_gamma), plain(spade.mlp_beta)
    return stacked([Weights(gamma.weight, gamma.bias + 1), beta])


def stacked(parts: list[Weights]) -> Weights:
    """Convolutions of the same input as one, outputs in the given order."""
    return Weights(np.concatenate([p.weight for p in parts]), np.concatenate([p.bias for p in parts]))


def projection(
    convs: list[nn.Conv2d], channels: int, pos: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """1x1 convolutions of `cat(x, pos)` as `tokens @ weight + constant`.

    weight `[channels, sum of outputs]` multiplies the first `channels` inputs; constant `[L, sum of outputs]` is what
    the position code `pos [P, H, W]` and the bias contribute. Without a position code it is `[1, sum of outputs]`.
    """
    joined = stacked([plain(conv) for conv in convs])
    matrix = joined.weight[:, :, 0, 0].astype(np.float64)
    constant = joined.bias.astype(np.float64)[None]
    if pos is not None:
        constant = constant + pos.reshape(pos.shape[0], -1).T.astype(np.float64) @ matrix[:, channels:].T
    return matrix[:, :channels].T.astype(np.float32), constant.astype(np.float32)
