"""The generator's building blocks, with the parameter names of the published checkpoints.

Tensors are `[N, C, H, W]`. Every 3x3 convolution pads by reflection.
"""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.spectral_norm import spectral_norm as torch_spectral_norm

from dynast_deploy.plugins.pyt import layers as torch_layers


def use_native(module: nn.Module, wanted: bool = True) -> None:
    """From now on the layers below `module` compute by native kernels where those are built and take the tensors.

    Unless they are not wanted.
    """
    for layer in module.modules():
        if isinstance(layer, Layer):
            layer.native = wanted


class Layer(nn.Module):
    """A layer that plain PyTorch computes, or native kernels in the same way (`plugins.torch_layers`)."""

    native = False

    def takes(self, *tensors: Tensor) -> bool:
        """Whether native kernels compute this layer for these tensors."""
        return self.native and torch_layers.usable(*tensors)


class Conv3x3(nn.Conv2d, Layer):
    """A 3x3 convolution whose border is reflected."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, 3, stride, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor, slope: float = 1.0) -> Tensor:
        """The convolution, its negative numbers times `slope`, 0 to 1."""
        if self.takes(x, self.weight):
            return torch_layers.conv3x3(x, *self.layer, self.stride[0], slope)
        x = super().forward(x)
        return x if slope == 1 else F.leaky_relu(x, slope)

    @property
    def layer(self) -> tuple[Tensor, Tensor]:
        """Kernel and bias."""
        assert self.bias is not None
        return self.weight, self.bias


class NativeSpectralNorm(SpectralNorm):
    """The norm of a `Conv3x3`, in training by a native kernel where there is one."""

    def compute_weight(self, module: nn.Module, do_power_iteration: bool) -> Tensor:
        assert isinstance(module, Conv3x3)
        weight, u, v = (
            module.get_parameter("weight_orig"),
            *(module.get_buffer(f"weight_{x}") for x in "uv"),
        )
        if do_power_iteration and module.takes(weight, u, v):
            return torch_layers.spectral_norm(weight, u, v, self.eps)
        return super().compute_weight(module, do_power_iteration)


def spectral_norm(conv: Conv3x3) -> Conv3x3:
    """`torch.nn.utils.spectral_norm`: names in checkpoints, buffers and results are its own."""
    torch_spectral_norm(conv)
    for hook in conv._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            hook.__class__ = NativeSpectralNorm
    return conv


class PReLU(nn.PReLU, Layer):
    """PReLU with one slope, of `x` or of `x + residual`."""

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        if self.takes(x):
            return torch_layers.prelu(x, self.weight, residual)
        return super().forward(x if residual is None else x + residual)


class InstanceNorm(nn.InstanceNorm2d, Layer):
    """Every channel of every map normalised over its pixels."""

    def forward(self, x: Tensor) -> Tensor:
        if self.takes(x) and x.shape[2] * x.shape[3] > 1:
            return torch_layers.instance_norm(x, self.eps)
        return super().forward(x)


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


class SPADE(Layer):
    """Spatially adaptive modulation of the normalised input by a signal of its size (Park et al., CVPR 2019)."""

    def __init__(self, channels: int, signal_channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(Conv3x3(signal_channels, channels), nn.ReLU())
        self.mlp_gamma = Conv3x3(channels, channels)
        self.mlp_beta = Conv3x3(channels, channels)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        return modulated(x, self.modulation(signal))

    @property
    def rectified(self) -> Conv3x3:
        """The convolution that a ReLU follows."""
        conv = self.mlp_shared[0]
        assert isinstance(conv, Conv3x3)
        return conv

    def modulation(self, signal: Tensor) -> Tensor:
        """Gamma and beta, one after the other: `[N, S, H, W]` -> `[N, 2C, H, W]`."""
        shared, gamma, beta = self.rectified.layer, self.mlp_gamma.layer, self.mlp_beta.layer
        if self.takes(signal, *shared):
            return torch_layers.modulation(signal, shared, gamma, beta)
        weight, bias = (torch.cat(both) for both in zip(gamma, beta, strict=True))
        return self.mlp_gamma._conv_forward(self.mlp_shared(signal), weight, bias)


def modulated(x: Tensor, modulation: Tensor) -> Tensor:
    """x `[N, C, H, W]` normalised, scaled and moved by `SPADE.modulation`."""
    gamma, beta = modulation.chunk(2, 1)
    return (1 + gamma) * positional_norm(x) + beta


class SPADEResnetBlock(Layer):
    """Two modulated convolutions beside the identity; one PReLU serves all three places."""

    def __init__(self, channels: int, signal_channels: int) -> None:
        super().__init__()
        self.conv_0 = spectral_norm(Conv3x3(channels, channels))
        self.conv_1 = spectral_norm(Conv3x3(channels, channels))
        self.norm_0 = SPADE(channels, signal_channels)
        self.norm_1 = SPADE(channels, signal_channels)
        self.relu = PReLU()

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        return self.modulated_by(x, self.modulations(signal))

    def modulated_by(self, x: Tensor, modulations: tuple[Tensor, Tensor]) -> Tensor:
        """`forward` with what the signal says given, see `modulations`."""
        first, second = modulations
        d = self.conv_0(self._modulated(x, first))
        d = self.conv_1(self._modulated(d, second))
        return self.relu(x, d)

    def modulations(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Both norms' gamma and beta."""
        return self.norm_0.modulation(signal), self.norm_1.modulation(signal)

    def _modulated(self, x: Tensor, modulation: Tensor) -> Tensor:
        if self.takes(x, modulation):
            return torch_layers.modulated(x, modulation, self.relu.weight)
        return self.relu(modulated(x, modulation))


class ResidualBlock(Layer):
    """Two batch-normalised convolutions beside the identity; one PReLU serves both places."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.relu = PReLU()
        self.model = nn.Sequential(
            Conv3x3(channels, channels),
            nn.BatchNorm2d(channels),
            self.relu,
            Conv3x3(channels, channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        conv_0, norm_0, _, conv_1, norm_1 = self.model
        return self._activated(norm_1, conv_1(self._activated(norm_0, conv_0(x))), x)

    def _activated(self, norm: nn.Module, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x normalised, with the residual added, through the PReLU."""
        if type(norm) is nn.BatchNorm2d and norm.training and self.takes(x):
            return torch_layers.batch_norm(x, norm, self.relu.weight, residual)
        return self.relu(norm(x)) if residual is None else self.relu(residual, norm(x))


class FeatureGenerator(nn.Module):
    """An encoder of four levels; level s has `channels[s - 1]` channels at `1 / 2**(s-1)` of the size."""

    def __init__(self, channels_in: int, channels: list[int]) -> None:
        super().__init__()
        widths = [channels_in, *channels]
        for level, (before, after) in enumerate(pairwise(widths), 1):
            stride = 1 if level == 1 else 2
            layer = nn.Sequential(
                spectral_norm(Conv3x3(before, after, stride)), InstanceNorm(after), ResidualBlock(after)
            )
            self.add_module(f"layer{level}", layer)

    def forward(self, x: Tensor) -> dict[int, Tensor]:
        """Feature maps by scale, 1 (full size) to 4."""
        maps = {}
        for scale in (1, 2, 3, 4):
            x = maps[scale] = self.get_submodule(f"layer{scale}")(x)
        return maps


class Upsampler(nn.Sequential, Layer):
    """Bilinear x2 with aligned corners, convolution, leaky ReLU of that slope."""

    def __init__(self, channels_in: int, channels_out: int, slope: float) -> None:
        upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        super().__init__(upsample, Conv3x3(channels_in, channels_out))
        self.slope = slope

    @property
    def conv(self) -> Conv3x3:
        conv = self[1]
        assert isinstance(conv, Conv3x3)
        return conv

    def forward(self, x: Tensor) -> Tensor:
        if self.takes(x, self.conv.weight):
            return torch_layers.upsampled_conv3x3(x, *self.conv.layer, self.slope)
        return self.conv(self[0](x), self.slope)
