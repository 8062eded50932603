"""The generator's building blocks, with the parameter names of the published checkpoints.

Tensors are `[N, C, H, W]`. Every 3x3 convolution pads by reflection.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm


def conv3x3(channels_in: int, channels_out: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, padding_mode="reflect")


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision widened, in which the small numbers that keep divisions finite are 0."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def positional_norm(x: Tensor) -> Tensor:
    """Every position normalised over its channels (Li et al., NeurIPS 2019), with the unbiased variance."""
    x = at_least_float32(x)
    centred = x - x.mean(1, keepdim=True)
    # `x.var(1)` is the same and takes several times as long, since it walks the channels with a stride.
    variance = centred.square().sum(1, keepdim=True) / (x.shape[1] - 1)
    return centred / (variance + 1e-8).sqrt()


def nearest(signal: Tensor, factor: int) -> Tensor:
    """`signal` reduced by a whole factor to its nearest neighbours, as `F.interpolate` chooses them."""
    return signal[..., ::factor, ::factor]


class SPADE(nn.Module):
    """Spatially adaptive modulation of the normalised input by a signal (Park et al., CVPR 2019)."""

    def __init__(self, channels: int, signal_channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(conv3x3(signal_channels, channels), nn.ReLU())
        self.mlp_gamma = conv3x3(channels, channels)
        self.mlp_beta = conv3x3(channels, channels)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        hidden = self.mlp_shared(nearest(signal, signal.shape[-1] // x.shape[-1]))
        return (1 + self.mlp_gamma(hidden)) * positional_norm(x) + self.mlp_beta(hidden)


class SPADEResnetBlock(nn.Module):
    """Two modulated convolutions beside the identity; one PReLU serves all three places."""

    def __init__(self, channels: int, signal_channels: int) -> None:
        super().__init__()
        self.conv_0 = spectral_norm(conv3x3(channels, channels))
        self.conv_1 = spectral_norm(conv3x3(channels, channels))
        self.norm_0 = SPADE(channels, signal_channels)
        self.norm_1 = SPADE(channels, signal_channels)
        self.relu = nn.PReLU()

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        d = self.conv_0(self.relu(self.norm_0(x, signal)))
        d = self.conv_1(self.relu(self.norm_1(d, signal)))
        return self.relu(x + d)


class ResidualBlock(nn.Module):
    """Two batch-normalised convolutions beside the identity; one PReLU serves both places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.relu = nn.PReLU()
        self.model = nn.Sequential(
            conv3x3(channels, channels),
            nn.BatchNorm2d(channels),
            self.relu,
            conv3x3(channels, channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.model(x))


class FeatureGenerator(nn.Module):
    """An encoder of four levels; level s has `channels[s - 1]` channels at `1 / 2**(s-1)` of the size."""

    def __init__(self, channels_in: int, channels: list[int]) -> None:
        super().__init__()
        widths = [channels_in, *channels]
        for level, (before, after) in enumerate(pairwise(widths), 1):
            stride = 1 if level == 1 else 2
            layer = nn.Sequential(
                spectral_norm(conv3x3(before, after, stride)), nn.InstanceNorm2d(after), ResidualBlock(after)
            )
            self.add_module(f"layer{level}", layer)

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Feature maps by scale, 1 (full size) to 4."""
        maps = {}
        for scale in (1, 2, 3, 4):
            x = maps[scale] = self.get_submodule(f"layer{scale}")(x)
        return maps


def upsampler(channels_in: int, channels_out: int, activation: nn.Module) -> nn.Sequential:
    """Bilinear x2 with aligned corners, convolution, activation."""
    upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return nn.Sequential(upsample, conv3x3(channels_in, channels_out), activation)
