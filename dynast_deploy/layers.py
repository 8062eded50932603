"""The generator's building blocks, with the parameter names of the published checkpoints.

Tensors are `[N, C, H, W]`. The arithmetic is that of `dynast_deploy.layer_ops`, or of what `use_layer_ops` hands in.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.spectral_norm import spectral_norm as torch_spectral_norm

from dynast_deploy.layer_ops import ChooseLayerOps, modulated, plain_layer_ops


def use_layer_ops(module: nn.Module, ops: ChooseLayerOps) -> None:
    """From now on the layers below `module` compute by what `ops` chooses for their tensors."""
    for layer in module.modules():
        if isinstance(layer, Layer):
            layer.ops = ops


class Layer(nn.Module):
    """A layer whose arithmetic can be handed in by `use_layer_ops`; `ops` is plain PyTorch unless it was."""

    ops: ChooseLayerOps = staticmethod(plain_layer_ops)


class Conv3x3(nn.Conv2d, Layer):
    """A 3x3 convolution whose border is reflected."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, 3, stride, padding=1, padding_mode="reflect")

    def forward(self, x: Tensor, slope: float = 1.0) -> Tensor:
        """The convolution, its negative numbers times `slope`, 0 to 1. Shapes as in `LayerOps.conv3x3`."""
        return self.ops(x, self.weight).conv3x3(x, *self.layer, self.stride[0], slope)

    @property
    def layer(self) -> tuple[Tensor, Tensor]:
        """Kernel `[O, C, 3, 3]` and bias `[O]`."""
        assert self.bias is not None
        return self.weight, self.bias


class Conv3x3SpectralNorm(SpectralNorm):
    """The spectral norm of a `Conv3x3`, computed in training by the operations of that layer."""

    def compute_weight(self, module: nn.Module, do_power_iteration: bool) -> Tensor:
        """The weight `[O, C, 3, 3]` divided by its norm, which a step of power iteration improves where asked for."""
        if not do_power_iteration:
            return super().compute_weight(module, do_power_iteration)
        assert isinstance(module, Conv3x3)
        weight, u, v = (
            module.get_parameter("weight_orig"),
            *(module.get_buffer(f"weight_{x}") for x in "uv"),
        )
        return module.ops(weight, u, v).spectral_norm(weight, u, v, self.eps)


def spectral_norm(conv: Conv3x3) -> Conv3x3:
    """`torch.nn.utils.spectral_norm`: names in checkpoints, buffers and results are its own."""
    torch_spectral_norm(conv)
    for hook in conv._forward_pre_hooks.values():
        if isinstance(hook, SpectralNorm):
            hook.__class__ = Conv3x3SpectralNorm
    return conv


class PReLU(nn.PReLU, Layer):
    """PReLU with one slope, of `x` or of `x + residual`."""

    def forward(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """See `LayerOps.prelu`."""
        return self.ops(x).prelu(x, self.weight, residual)


class InstanceNorm(nn.InstanceNorm2d, Layer):
    """Every channel of every map normalised over its pixels."""

    def forward(self, x: Tensor) -> Tensor:
        """See `LayerOps.instance_norm`."""
        return self.ops(x).instance_norm(x, self.eps)


class SPADE(Layer):
    """Spatially adaptive modulation of the normalised input by a signal of its size (Park et al., CVPR 2019)."""

    def __init__(self, channels: int, signal_channels: int) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(Conv3x3(signal_channels, channels), nn.ReLU())
        self.mlp_gamma = Conv3x3(channels, channels)
        self.mlp_beta = Conv3x3(channels, channels)

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        """`x` `[N, C, H, W]`, modulated by `signal` `[N, S, H, W]`."""
        return modulated(x, self.modulation(signal))

    @property
    def rectified(self) -> Conv3x3:
        """The convolution that a ReLU follows."""
        conv = self.mlp_shared[0]
        assert isinstance(conv, Conv3x3)
        return conv

    def modulation(self, signal: Tensor) -> Tensor:
        """Gamma and beta, one after the other: `[N, S, H, W]` -> `[N, 2C, H, W]`."""
        shared = self.rectified.layer
        return self.ops(signal, *shared).modulation(signal, shared, self.mlp_gamma.layer, self.mlp_beta.layer)


class SPADEResnetBlock(Layer):
    """Two modulated convolutions, added to their input; one PReLU serves all three places."""

    def __init__(self, channels: int, signal_channels: int) -> None:
        super().__init__()
        self.conv_0 = spectral_norm(Conv3x3(channels, channels))
        self.conv_1 = spectral_norm(Conv3x3(channels, channels))
        self.norm_0 = SPADE(channels, signal_channels)
        self.norm_1 = SPADE(channels, signal_channels)
        self.relu = PReLU()

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        """`x` `[N, C, H, W]`, modulated by `signal` `[N, S, H, W]`."""
        return self.modulated_by(x, self.modulations(signal))

    def modulated_by(self, x: Tensor, modulations: tuple[Tensor, Tensor]) -> Tensor:
        """`forward` with the `modulations` of the signal instead of the signal.

        x `[N, C, H, W]`, modulations `[N, 2C, H, W]`.
        """
        first, second = modulations
        d = self.conv_0(self._modulated(x, first))
        d = self.conv_1(self._modulated(d, second))
        y: Tensor = self.relu(x, d)
        return y

    def modulations(self, signal: Tensor) -> tuple[Tensor, Tensor]:
        """Both norms' gamma and beta, `[N, 2C, H, W]` each."""
        return self.norm_0.modulation(signal), self.norm_1.modulation(signal)

    def _modulated(self, x: Tensor, modulation: Tensor) -> Tensor:
        return self.ops(x, modulation).modulated(x, modulation, self.relu.weight)


class ResidualBlock(Layer):
    """Two batch-normalised convolutions, added to their input; one PReLU serves both places."""

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
        """A map of the shape of `x`."""
        conv_0, norm_0, _, conv_1, norm_1 = self.model
        return self._activated(norm_1, conv_1(self._activated(norm_0, conv_0(x))), x)

    def _activated(self, norm: nn.Module, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """x normalised, with the residual added, through the PReLU."""
        return self.ops(x).batch_norm(x, norm, self.relu.weight, residual)


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
        """Feature maps by scale, 1 (full size) to 4.

        `[N, C, H, W]` at scale 1; every further scale has half the height and width.
        """
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
        """The convolution after the upsampling."""
        conv = self[1]
        assert isinstance(conv, Conv3x3)
        return conv

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]` -> `[N, O, 2H, 2W]`."""
        return self.ops(x, self.conv.weight).upsampled_conv3x3(x, *self.conv.layer, self.slope)
