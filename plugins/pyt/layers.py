"""Layers of the generator for training on the CPU: native kernels with gradients, over maps in channels-last memory.

Each function computes what its docstring's expression does in PyTorch, float32, with fewer walks over the maps; results
and gradients do not depend on the number of threads. `can_run` says whether they take a layer's tensors. Together they
are the operations that the generator's layers ask for (`LayerOps` in `dynast_deploy.layer_ops`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dynast_deploy.plugins.bindings import native
from dynast_deploy.plugins.pyt import convolutions, layer_calls, norms, positions


def can_run(*tensors: Tensor) -> str | None:
    """Why the kernels do not take a layer of these tensors; None where they do.

    They take float32 on the CPU, outside autocast, where their library is built.
    """
    for x in tensors:
        if x.device.type != "cpu":
            return f"a tensor is on {x.device}, and the native layers run on the CPU"
        if x.dtype != torch.float32:
            return f"a tensor is {x.dtype}, and the native layers compute in float32"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is on, and the native layers compute in float32"
    if not native.available():
        return native.NOT_AVAILABLE
    return None


def can_run_batch_norm(norm: nn.Module) -> str | None:
    """Why the kernels do not compute this norm; None where they do."""
    if type(norm) is not nn.BatchNorm2d:
        return f"the norm is a {type(norm).__name__}, and the native one is BatchNorm2d's"
    return None if norm.training else "the norm is in eval mode, and the native one is that of training"


def ordered(x: Tensor) -> Tensor:
    """A map `[N, C, H, W]` in channels-last memory, which these functions would else copy it to in every call."""
    return layer_calls.channels_last(x)


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
    """`F.leaky_relu(F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weight, bias, stride), slope)` in channels-last memory.

    stride 1 or 2; slope 0 (a ReLU) to 1 (none). Shapes as in `LayerOps.conv3x3`.

    Raises:
        DynastError: For a map of one row or column, which has no reflected border.
    """
    y: Tensor = layer_calls.applied(convolutions.Conv3x3, x, weight, bias, stride, slope)
    return y


def upsampled_conv3x3(x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0) -> Tensor:
    """`conv3x3(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), weight, bias, slope=slope)`.

    Shapes as in `LayerOps.upsampled_conv3x3`.

    Raises:
        DynastError: Where the kernels refuse the sizes.
    """
    y: Tensor = layer_calls.applied(convolutions.UpsampledConv3x3, x, weight, bias, slope)
    return y


def spectral_norm(weight: Tensor, u: Tensor, v: Tensor, epsilon: float) -> Tensor:
    """`weight` divided by its spectral norm, as `torch.nn.utils.spectral_norm` does in training.

    weight `[R, ...]`; u `[R]` and v `[C]`, C numbers to each of R, are replaced by those after one step of power
    iteration.
    """
    y: Tensor = layer_calls.applied(norms.SpectralNorm, weight, u, v, epsilon)
    return y


def modulation(
    signal: Tensor, shared: tuple[Tensor, Tensor], gamma: tuple[Tensor, Tensor], beta: tuple[Tensor, Tensor]
) -> Tensor:
    """`hidden = conv3x3(signal, *shared, slope=0)`; `torch.cat([conv3x3(hidden, *gamma), conv3x3(hidden, *beta)], 1)`.

    Each layer is its weight and bias; those of gamma and beta have one shape.

    Raises:
        DynastError: For a map of one row or column, which has no reflected border.
    """
    y: Tensor = layer_calls.applied(convolutions.Modulation, signal, *shared, *gamma, *beta)
    return y


def modulated(x: Tensor, modulation: Tensor, slope: Tensor) -> Tensor:
    """`F.prelu((1 + gamma) * positional_norm(x) + beta, slope)`.

    x `[N, C, H, W]`; modulation `[N, 2C, H, W]`, gamma and beta one after the other; slope `[1]`.

    Raises:
        DynastError: For a map of one channel, over which nothing can be normalised.
    """
    y: Tensor = layer_calls.applied(positions.Modulated, x, modulation, slope, None, None)
    return y


def fused(x: Tensor, modulation: Tensor, attended: Tensor, confidence: Tensor) -> Tensor:
    """`positional_norm(attended + (1 - confidence) * ((1 + gamma) * positional_norm(x) + beta) + x)`.

    x and modulation as for `modulated`; attended `[N, H*W, C]`, confidence `[N, H*W, 1]`.

    Raises:
        DynastError: For a map of one channel, over which nothing can be normalised.
    """
    y: Tensor = layer_calls.applied(positions.Modulated, x, modulation, None, attended, confidence)
    return y


def prelu(x: Tensor, slope: Tensor, residual: Tensor | None = None) -> Tensor:
    """`F.prelu(x + residual, slope)` with one slope `[1]`."""
    y: Tensor = layer_calls.applied(norms.PReLU, x, residual, slope)
    return y


def batch_norm(x: Tensor, norm: nn.Module, slope: Tensor, residual: Tensor | None = None) -> Tensor:
    """`F.prelu(norm(x) + residual, slope)`, where a `norm` in training keeps its statistics; `[N, C, H, W]`.

    Where `can_run_batch_norm` has a reason not to, `norm` computes itself, and only what follows is native.

    Raises:
        DynastError: Where the batch holds one pixel of a channel, over which nothing can be normalised.
    """
    if type(norm) is not nn.BatchNorm2d or can_run_batch_norm(norm) is not None:
        return prelu(norm(x), slope) if residual is None else prelu(residual, slope, norm(x))
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
    running = norm.running_mean, norm.running_var
    y: Tensor = layer_calls.applied(
        norms.Norm, x, residual, norm.weight, norm.bias, slope, 1, norm.eps, *running, norm.momentum
    )
    return y


def instance_norm(x: Tensor, epsilon: float) -> Tensor:
    """`F.instance_norm(x, eps=epsilon)` of `[N, C, H, W]`.

    Raises:
        DynastError: For maps of one pixel, over which nothing can be normalised.
    """
    y: Tensor = layer_calls.applied(
        norms.Norm, x, None, None, None, None, x.shape[0], epsilon, None, None, 0.0
    )
    return y


def unit_tokens(x: Tensor, pos: Tensor) -> Tensor:
    """Features of length 1 and the position code: x `[N, C, H, W]`, pos `[1, P, H, W]` -> `[N, H*W, C + P]`.

    Raises:
        ValueError: If pos is not one code for maps of that size.
    """
    if x.shape[2:] != pos.shape[2:] or pos.shape[0] != 1:
        raise ValueError(f"a position code {list(pos.shape)} for maps {list(x.shape)}")
    y: Tensor = layer_calls.applied(positions.UnitTokens, x, pos)
    return y


def projections(tokens: Tensor, *layers: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """`F.linear(tokens, weight, bias)` of one or two layers, each (weight `[O, K, 1, 1]`, bias `[O]`), for tokens
    `[N, L, K]`."""
    first, second = (*layers, (None, None))[:2]
    found: tuple[Tensor, ...] = layer_calls.applied(positions.Projections, tokens, *first, *second)
    return found[: len(layers)]
