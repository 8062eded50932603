"""Native norms over pixels, PReLU, and the spectral norm of a weight, with gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dynast_deploy.plugins.bindings import native_layers
from dynast_deploy.plugins.pyt.layer_calls import address, channels_last, run


class Norm(torch.autograd.Function):
    """`layers.batch_norm` (one part) and `layers.instance_norm` (a part for each sample), and their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        residual: Tensor | None,
        weight: Tensor | None,
        bias: Tensor | None,
        slope: Tensor | None,
        parts: int,
        epsilon: float,
        running_mean: Tensor | None,
        running_variance: Tensor | None,
        momentum: float,
    ) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.batch_norm`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, residual = channels_last(x), None if residual is None else channels_last(residual)
        channels = x.shape[1]
        ctx.sizes = native_layers.Norm(x.numel() // channels // parts, parts, channels, epsilon, momentum)
        output, mean, scale = torch.empty_like(x), x.new_empty(parts, channels), x.new_empty(parts, channels)
        inputs = (x, residual, weight, bias, slope)
        addresses = map(address, (*inputs, running_mean, running_variance, output, mean, scale))
        run("dynast_norm", ctx.sizes, native_layers.NormForward(*addresses))
        ctx.save_for_backward(*inputs, mean, scale)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        saved, grad = ctx.saved_tensors, channels_last(grad)
        of_inputs = [None if each is None else torch.empty_like(each) for each in saved[:5]]
        call = native_layers.NormBackward(*map(address, (*saved, grad, *of_inputs)))
        run("dynast_norm_back", ctx.sizes, call)
        return *of_inputs, None, None, None, None, None


class PReLU(torch.autograd.Function):
    """`layers.prelu` and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor | None, slope: Tensor) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.prelu`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, residual = channels_last(x), None if residual is None else channels_last(residual)
        output = torch.empty_like(x)
        call = native_layers.Activation(
            x.numel(), *map(address, (x, residual, slope, None, output, None, None))
        )
        run("dynast_activate", call)
        ctx.save_for_backward(x, residual, slope)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        (x, residual, slope), grad = ctx.saved_tensors, channels_last(grad)
        of_sum, of_slope = torch.empty_like(x), torch.empty_like(slope)
        call = native_layers.Activation(
            x.numel(), *map(address, (x, residual, slope, grad, None, of_sum, of_slope))
        )
        run("dynast_activate", call)
        return of_sum, None if residual is None else of_sum, of_slope


class SpectralNorm(torch.autograd.Function):
    """`layers.spectral_norm` and its gradient."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, u: Tensor, v: Tensor, epsilon: float) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.spectral_norm`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        weight = weight.contiguous()
        output, sigma = torch.empty_like(weight), weight.new_empty(1)
        ctx.sizes = native_layers.SpectralNorm(u.numel(), v.numel(), epsilon)
        addresses = map(address, (weight, u, v, output, sigma))
        run("dynast_spectral_norm", ctx.sizes, native_layers.SpectralNormForward(*addresses))
        # Copies, since another forward pass may come before the backward one.
        ctx.save_for_backward(output, u.clone(), v.clone(), sigma)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        saved, grad = ctx.saved_tensors, grad.contiguous()
        gradient = torch.empty_like(grad)
        call = native_layers.SpectralNormBackward(*map(address, (*saved, grad, gradient)))
        run("dynast_spectral_norm_back", ctx.sizes, call)
        return gradient, None, None, None
