"""The arithmetic of the generator's layers in plain PyTorch, and what another implementation of it has to offer.

Layers (`dynast_deploy.layers`) hold parameters and ask for their arithmetic: `LayerOps` has one function for each
group of steps that native kernels compute together. `PlainLayerOps` is the reference that every faster form is tested
against.

Maps are `[N, C, H, W]`; every 3x3 convolution pads by reflection.
"""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ConvParameters = tuple[Tensor, Tensor]
"""A convolution's weight `[O, C, k, k]` and bias `[O]`."""


class LayerOps(Protocol):
    """The arithmetic of the layers. An object or a module."""

    def ordered(self, x: Tensor) -> Tensor:
        """A map `[N, C, H, W]` in the memory order that these operations read fastest, to be copied once, not often."""

    def conv3x3(self, x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
        """The convolution of a map, stride 1 or 2, and a leaky ReLU: slope 0 (a ReLU) to 1 (none).

        `[N, C, H, W]`, weight `[O, C, 3, 3]`, bias `[O]` -> `[N, O, H/stride, W/stride]`, rounded up.
        """

    def upsampled_conv3x3(self, x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0) -> Tensor:
        """`conv3x3` of a map after bilinear upsampling by 2 with aligned corners: `[N, O, 2H, 2W]`."""

    def spectral_norm(self, weight: Tensor, u: Tensor, v: Tensor, epsilon: float) -> Tensor:
        """`weight` `[R, ...]` divided by its spectral norm, as `torch.nn.utils.spectral_norm` does in training.

        u `[R]` and v `[C]`, C numbers to each of R, are replaced by those after one step of power iteration.
        """

    def modulation(
        self, signal: Tensor, shared: ConvParameters, gamma: ConvParameters, beta: ConvParameters
    ) -> Tensor:
        """Gamma and beta, one after the other: signal `[N, S, H, W]` -> `[N, 2C, H, W]`.

        Both are convolutions of the `shared` one after a ReLU, and have one shape.
        """

    def modulated(self, x: Tensor, modulation: Tensor, slope: Tensor) -> Tensor:
        """`prelu((1 + gamma) * positional_norm(x) + beta, slope)`; modulation `[N, 2C, H, W]` of `modulation`.

        x and the result are `[N, C, H, W]`; one slope `[1]`.
        """

    def fused(self, x: Tensor, modulation: Tensor, attended: Tensor, confidence: Tensor) -> Tensor:
        """`positional_norm(attended + (1 - confidence) * ((1 + gamma) * positional_norm(x) + beta) + x)`.

        attended `[N, H*W, C]` and confidence `[N, H*W, 1]` are of the attention layer, the modulation is
        `[N, 2C, H, W]`, x and the result are `[N, C, H, W]`.
        """

    def prelu(self, x: Tensor, slope: Tensor, residual: Tensor | None = None) -> Tensor:
        """PReLU of a map, or of its sum with `residual` of the same shape; one slope `[1]`."""

    def batch_norm(self, x: Tensor, norm: nn.Module, slope: Tensor, residual: Tensor | None = None) -> Tensor:
        """`prelu(norm(x) + residual, slope)`, where `norm` is a batch norm and keeps its statistics in training.

        Maps are `[N, C, H, W]`; one slope `[1]`.
        """

    def instance_norm(self, x: Tensor, epsilon: float) -> Tensor:
        """Every channel of every map normalised over its pixels, with the biased variance.

        Maps are `[N, C, H, W]`.
        """

    def unit_tokens(self, x: Tensor, pos: Tensor) -> Tensor:
        """Features of unit length next to their position code `[1, P, H, W]`, as tokens: `[N, H*W, C + P]`."""

    def projections(self, tokens: Tensor, *layers: ConvParameters) -> tuple[Tensor, ...]:
        """One or two 1x1 convolutions of tokens `[N, L, C]`: a `[N, L, O]` of each."""


class ChooseLayerOps(Protocol):
    """Chooses the implementation for a layer's tensors."""

    def __call__(self, *tensors: Tensor) -> LayerOps:
        """The implementation that computes a layer of these tensors."""


def to_tokens(x: Tensor) -> Tensor:
    """`[N, C, H, W]` -> `[N, H*W, C]`."""
    return x.flatten(2).mT


def to_map(tokens: Tensor, height: int, width: int) -> Tensor:
    """`[N, H*W, C]` -> `[N, C, H, W]`."""
    return torch.unflatten(tokens.mT, 2, (height, width))


def at_least_float32(x: Tensor) -> Tensor:
    """`x`, half precision converted to float32: in it the small numbers that keep divisions finite would be 0.

    Of any shape.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def with_position(x: Tensor, pos: Tensor) -> Tensor:
    """Features of unit length `[N, C, H, W]` and the position code `[1, P, H, W]`: `[N, C + P, H, W]`."""
    x = at_least_float32(x)
    unit = x / (x.norm(dim=1, keepdim=True) + 1e-10)
    return torch.cat([unit, pos.expand(x.shape[0], -1, -1, -1)], 1)


def positional_norm(x: Tensor) -> Tensor:
    """Every position normalised over its channels (Li et al., NeurIPS 2019), with the unbiased variance.

    Maps are `[N, C, H, W]`.
    """
    x = at_least_float32(x)
    centred = x - x.mean(1, keepdim=True)
    # `x.var(1)` is the same and takes several times as long, since it walks the channels with a stride.
    variance = centred.square().sum(1, keepdim=True) / (x.shape[1] - 1)
    return centred / (variance + 1e-8).sqrt()


def modulated(x: Tensor, modulation: Tensor) -> Tensor:
    """x `[N, C, H, W]` normalised by `positional_norm`, scaled and moved by a modulation `[N, 2C, H, W]`."""
    gamma, beta = modulation.chunk(2, 1)
    return (1 + gamma) * positional_norm(x) + beta


class PlainLayerOps:
    """`LayerOps` in plain PyTorch, on any device and in any floating-point type.

    Every 3x3 convolution but that of gamma and beta goes through `conv3x3`.
    """

    def ordered(self, x: Tensor) -> Tensor:
        """The map as it is."""
        return x

    def conv3x3(self, x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
        """See `LayerOps`."""
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weight, bias, stride)
        return x if slope == 1 else F.leaky_relu(x, slope)

    def upsampled_conv3x3(self, x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0) -> Tensor:
        """See `LayerOps`."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.conv3x3(x, weight, bias, slope=slope)

    def spectral_norm(self, weight: Tensor, u: Tensor, v: Tensor, epsilon: float) -> Tensor:
        """See `LayerOps`. The steps are those of `torch.nn.utils.spectral_norm`, so that the results are equal."""
        matrix = weight.flatten(1)
        with torch.no_grad():
            F.normalize(torch.mv(matrix.t(), u), dim=0, eps=epsilon, out=v)
            F.normalize(torch.mv(matrix, v), dim=0, eps=epsilon, out=u)
            # Copies, since another forward pass may come before the backward one.
            u, v = u.clone(), v.clone()
        return weight / torch.dot(u, torch.mv(matrix, v))

    def modulation(
        self, signal: Tensor, shared: ConvParameters, gamma: ConvParameters, beta: ConvParameters
    ) -> Tensor:
        """See `LayerOps`."""
        hidden = F.relu(self.conv3x3(signal, *shared))
        weight, bias = (torch.cat(both) for both in zip(gamma, beta, strict=True))
        return F.conv2d(F.pad(hidden, (1, 1, 1, 1), "reflect"), weight, bias)

    def modulated(self, x: Tensor, modulation: Tensor, slope: Tensor) -> Tensor:
        """See `LayerOps`."""
        return F.prelu(modulated(x, modulation), slope)

    def fused(self, x: Tensor, modulation: Tensor, attended: Tensor, confidence: Tensor) -> Tensor:
        """See `LayerOps`."""
        size = x.shape[-2:]
        doubt = 1 - to_map(confidence, *size)
        return positional_norm(to_map(attended, *size) + doubt * modulated(x, modulation) + x)

    def prelu(self, x: Tensor, slope: Tensor, residual: Tensor | None = None) -> Tensor:
        """See `LayerOps`."""
        return F.prelu(x if residual is None else x + residual, slope)

    def batch_norm(self, x: Tensor, norm: nn.Module, slope: Tensor, residual: Tensor | None = None) -> Tensor:
        """See `LayerOps`."""
        return self.prelu(norm(x), slope) if residual is None else self.prelu(residual, slope, norm(x))

    def instance_norm(self, x: Tensor, epsilon: float) -> Tensor:
        """See `LayerOps`."""
        return F.instance_norm(x, eps=epsilon)

    def unit_tokens(self, x: Tensor, pos: Tensor) -> Tensor:
        """See `LayerOps`."""
        return to_tokens(with_position(x, pos))

    def projections(self, tokens: Tensor, *layers: ConvParameters) -> tuple[Tensor, ...]:
        """See `LayerOps`."""
        return tuple(F.linear(tokens, weight.flatten(1), bias) for weight, bias in layers)


PLAIN = PlainLayerOps()


def plain_layer_ops(*tensors: Tensor) -> LayerOps:
    """`PlainLayerOps`, for whatever tensors."""
    return PLAIN
