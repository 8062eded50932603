"""Native 3x3 convolutions with gradients: alone, of upsampled maps, and the two of a modulation."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dynast_deploy.plugins.bindings import native_layers
from dynast_deploy.plugins.pyt.layer_calls import address, channels_last, new_map, run


def _convolution(x: Tensor, weight: Tensor, stride: int) -> native_layers.Convolution:
    batch, channels, height, width = x.shape
    return native_layers.Convolution(batch, height, width, channels, weight.shape[0], stride)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
    output = new_map(x.shape[0], weight.shape[0], *(-(-length // stride) for length in x.shape[2:]))
    call = native_layers.ConvolutionForward(*map(address, (x, weight, bias, output)), slope)
    run("dynast_convolve", _convolution(x, weight, stride), call)
    return output


def _convolved_back(
    x: Tensor,
    weight: Tensor,
    grad: Tensor,
    stride: int = 1,
    slope: float = 1.0,
    output: Tensor | None = None,
    *,
    of_x: bool,
    of_weight: bool,
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """Gradients of x, weight and bias, as far as wanted; `output` is needed unless the slope is 1."""
    grad = channels_last(grad)
    gradients = (
        torch.empty_like(x) if of_x else None,
        torch.empty_like(weight) if of_weight else None,
        weight.new_empty(weight.shape[0]) if of_weight else None,
    )
    addresses = map(address, (x, weight, grad, *gradients))
    call = native_layers.ConvolutionBackward(*addresses, slope, address(output))
    run("dynast_convolve_back", _convolution(x, weight, stride), call)
    return gradients


class Conv3x3(torch.autograd.Function):
    """`layers.conv3x3` and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, slope: float) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.conv3x3`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, weight = channels_last(x), weight.contiguous()
        output = _convolved(x, weight, bias, stride, slope)
        ctx.stride, ctx.slope = stride, slope
        ctx.save_for_backward(x, weight, None if slope == 1 else output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, weight, output = ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        gradients = _convolved_back(
            x, weight, grad, ctx.stride, ctx.slope, output, of_x=of_x, of_weight=of_weight or of_bias
        )
        return *gradients, None, None


def _resample(name: str, low: torch.Size, source: Tensor, target: Tensor) -> None:
    batch, channels, height, width = low
    addresses = map(address, (source, target))
    run(name, native_layers.Upsampling(batch, height, width, channels, *addresses))


class UpsampledConv3x3(torch.autograd.Function):
    """`layers.upsampled_conv3x3` and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, slope: float) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.upsampled_conv3x3`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, weight = channels_last(x), weight.contiguous()
        high = new_map(*x.shape[:2], *(2 * length for length in x.shape[2:]))
        _resample("dynast_upsample", x.shape, x, high)
        output = _convolved(high, weight, bias, slope=slope)
        ctx.size, ctx.slope = x.shape, slope
        ctx.save_for_backward(high, weight, output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        high, weight, output = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        of_high, *of_layer = _convolved_back(
            high, weight, grad, slope=ctx.slope, output=output, of_x=of_x, of_weight=of_weight or of_bias
        )
        if of_high is None:
            return None, *of_layer, None
        gradient = new_map(*ctx.size)
        _resample("dynast_upsample_back", ctx.size, of_high, gradient)
        return gradient, *of_layer, None


class Modulation(torch.autograd.Function):
    """`layers.modulation` and its gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        signal: Tensor,
        shared: Tensor,
        shared_bias: Tensor,
        gamma: Tensor,
        gamma_bias: Tensor,
        beta: Tensor,
        beta_bias: Tensor,
    ) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.modulation`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        signal, shared = channels_last(signal), shared.contiguous()
        hidden = _convolved(signal, shared, shared_bias, slope=0.0)
        weight = torch.cat([gamma, beta])
        ctx.save_for_backward(signal, shared, hidden, weight)
        return _convolved(hidden, weight, torch.cat([gamma_bias, beta_bias]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        signal, shared, hidden, weight = ctx.saved_tensors
        of_signal, *of_layers = ctx.needs_input_grad
        trained = any(of_layers)
        of_hidden, of_weight, of_bias = _convolved_back(hidden, weight, grad, of_x=True, of_weight=trained)
        assert of_hidden is not None
        of_shared = _convolved_back(
            signal, shared, of_hidden, slope=0.0, output=hidden, of_x=of_signal, of_weight=trained
        )
        if of_weight is None or of_bias is None:
            return *of_shared, None, None, None, None
        of_gamma, of_beta = zip(of_weight.chunk(2), of_bias.chunk(2), strict=True)
        return *of_shared, *of_gamma, *of_beta
