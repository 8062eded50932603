"""Native arithmetic of single positions of a map, with gradients: modulation, fusion, tokens and their projections."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dynast_deploy.plugins.bindings import native_layers
from dynast_deploy.plugins.pyt.layer_calls import address, channels_last, run


class Modulated(torch.autograd.Function):
    """`layers.modulated`, and with attended values `layers.fused`, and their gradients."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        modulation: Tensor,
        slope: Tensor | None,
        attended: Tensor | None,
        confidence: Tensor | None,
    ) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.fused`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, modulation = channels_last(x), channels_last(modulation)
        attended = None if attended is None else attended.contiguous()
        confidence = None if confidence is None else confidence.contiguous()
        batch, channels, height, width = x.shape
        ctx.sizes = native_layers.Modulation(batch * height * width, channels)
        output = torch.empty_like(x)
        inputs = (x, modulation, slope, attended, confidence)
        run("dynast_modulate", ctx.sizes, native_layers.ModulationForward(*map(address, (*inputs, output))))
        ctx.save_for_backward(*inputs)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        inputs, grad = ctx.saved_tensors, channels_last(grad)
        gradients = [None if x is None else torch.empty_like(x) for x in inputs]
        call = native_layers.ModulationBackward(*map(address, (*inputs, grad, *gradients)))
        run("dynast_modulate_back", ctx.sizes, call)
        return tuple(gradients)


class UnitTokens(torch.autograd.Function):
    """`layers.unit_tokens` and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pos: Tensor) -> Tensor:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.unit_tokens`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, pos = channels_last(x), channels_last(pos)
        batch, channels, height, width = x.shape
        ctx.sizes = native_layers.UnitTokens(height * width, batch, channels, pos.shape[1])
        output = x.new_empty(batch, height * width, channels + pos.shape[1])
        run("dynast_unit_tokens", ctx.sizes, native_layers.UnitTokensForward(*map(address, (x, pos, output))))
        ctx.save_for_backward(x, pos)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, pos = ctx.saved_tensors
        grad = grad.contiguous()
        of_x, of_pos = torch.empty_like(x), torch.empty_like(pos)
        call = native_layers.UnitTokensBackward(*map(address, (x, grad, of_x, of_pos)))
        run("dynast_unit_tokens_back", ctx.sizes, call)
        return of_x, of_pos


class Projections(torch.autograd.Function):
    """`layers.projections` and its gradients."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel_a: Tensor, bias_a: Tensor, kernel_b: Tensor | None, bias_b: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Compute the result, and keep what the backward pass reads. Shapes as in `LayerOps.projections`.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x = x.contiguous()
        kernels = [None if kernel is None else kernel.contiguous() for kernel in (kernel_a, kernel_b)]
        widths = [0 if kernel is None else kernel.shape[0] for kernel in kernels]
        outputs = [x.new_empty(*x.shape[:-1], width) if width else None for width in widths]
        ctx.sizes = native_layers.Projections(x.numel() // x.shape[-1], x.shape[-1], *widths)
        call = native_layers.ProjectionsForward(*map(address, (x, *kernels, bias_a, bias_b, *outputs)))
        run("dynast_project", ctx.sizes, call)
        ctx.save_for_backward(x, *kernels)
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients of what `forward` was given; None for what has none. Each has the shape of its input.

        Raises:
            DynastError: Where the kernels are not built or refuse the sizes.
        """
        x, *kernels = ctx.saved_tensors
        incoming = [None if grad is None else grad.contiguous() for grad in gradients]
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        wanted = any(ctx.needs_input_grad[1:])
        of_kernels = [
            torch.empty_like(kernel) if wanted and kernel is not None else None for kernel in kernels
        ]
        of_biases = [None if of is None else of.new_empty(of.shape[0]) for of in of_kernels]
        addresses = map(address, (x, *kernels, *incoming, of_x, *of_kernels, *of_biases))
        run("dynast_project_back", ctx.sizes, native_layers.ProjectionsBackward(*addresses))
        return of_x, of_kernels[0], of_biases[0], of_kernels[1], of_biases[1]
