"""Layers of the generator for training on the CPU: native kernels with gradients, over maps in channels-last memory.

Each function computes what its docstring's expression does in PyTorch, float32, with fewer walks over the maps; results
and gradients do not depend on the number of threads. `usable` says whether they apply.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dynast_deploy.plugins.bindings import native, native_layers


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels take these tensors: float32 on the CPU, no autocast, and the library built."""
    fits = all(x.device.type == "cpu" and x.dtype == torch.float32 for x in tensors)
    return fits and not torch.is_autocast_enabled("cpu") and native.available()


def conv3x3(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
    """`F.leaky_relu(F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weight, bias, stride), slope)` in channels-last memory.

    stride 1 or 2; slope 0 (a ReLU) to 1 (none).
    """
    return _Conv3x3.apply(x, weight, bias, stride, slope)


def upsampled_conv3x3(x: Tensor, weight: Tensor, bias: Tensor, slope: float = 1.0) -> Tensor:
    """`conv3x3(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), weight, bias, slope=slope)`."""
    return _UpsampledConv3x3.apply(x, weight, bias, slope)


def spectral_norm(weight: Tensor, u: Tensor, v: Tensor, epsilon: float) -> Tensor:
    """`weight` divided by its spectral norm, as `torch.nn.utils.spectral_norm` does in training.

    weight `[R, ...]`; u `[R]` and v `[C]`, C numbers to each of R, go on by a step of power iteration.
    """
    return _SpectralNorm.apply(weight, u, v, epsilon)


def modulation(
    signal: Tensor, shared: tuple[Tensor, Tensor], gamma: tuple[Tensor, Tensor], beta: tuple[Tensor, Tensor]
) -> Tensor:
    """`hidden = conv3x3(signal, *shared, slope=0)`; `torch.cat([conv3x3(hidden, *gamma), conv3x3(hidden, *beta)], 1)`.

    Each layer is its weight and bias; those of gamma and beta have one shape.
    """
    return _Modulation.apply(signal, *shared, *gamma, *beta)


def modulated(x: Tensor, modulation: Tensor, slope: Tensor) -> Tensor:
    """`F.prelu((1 + gamma) * positional_norm(x) + beta, slope)`.

    x `[N, C, H, W]`; modulation `[N, 2C, H, W]`, gamma and beta one after the other; slope `[1]`.
    """
    return _Modulated.apply(x, modulation, slope, None, None)


def fused(x: Tensor, modulation: Tensor, attended: Tensor, confidence: Tensor) -> Tensor:
    """`positional_norm(attended + (1 - confidence) * ((1 + gamma) * positional_norm(x) + beta) + x)`.

    x and modulation as for `modulated`; attended `[N, H*W, C]`, confidence `[N, H*W, 1]`.
    """
    return _Modulated.apply(x, modulation, None, attended, confidence)


def prelu(x: Tensor, slope: Tensor, residual: Tensor | None = None) -> Tensor:
    """`F.prelu(x + residual, slope)` with one slope `[1]`."""
    return _PReLU.apply(x, residual, slope)


def unit_tokens(x: Tensor, pos: Tensor) -> Tensor:
    """`to_tokens(with_position(x, pos))` of the generator: x `[N, C, H, W]`, pos `[1, P, H, W]` -> `[N, H*W, C + P]`.

    Raises ValueError if pos is not one code for maps of that size.
    """
    if x.shape[2:] != pos.shape[2:] or pos.shape[0] != 1:
        raise ValueError(f"a position code {list(pos.shape)} for maps {list(x.shape)}")
    return _UnitTokens.apply(x, pos)


def projections(tokens: Tensor, *layers: tuple[Tensor, Tensor]) -> tuple[Tensor, ...]:
    """`F.linear(tokens, weight, bias)` of one or two layers, each (weight `[O, K, 1, 1]`, bias `[O]`), for tokens
    `[N, L, K]`."""
    first, second = (*layers, (None, None))[:2]
    return _Projections.apply(tokens, *first, *second)[: len(layers)]


def batch_norm(x: Tensor, norm: nn.BatchNorm2d, slope: Tensor, residual: Tensor | None = None) -> Tensor:
    """`F.prelu(norm(x) + residual, slope)` of a norm in training, which remembers its statistics; `[N, C, H, W]`."""
    if norm.num_batches_tracked is not None:
        norm.num_batches_tracked += 1
    running = norm.running_mean, norm.running_var
    return _Norm.apply(x, residual, norm.weight, norm.bias, slope, 1, norm.eps, *running, norm.momentum)


def instance_norm(x: Tensor, epsilon: float) -> Tensor:
    """`F.instance_norm(x, eps=epsilon)` of `[N, C, H, W]`."""
    return _Norm.apply(x, None, None, None, None, x.shape[0], epsilon, None, None, 0.0)


def _last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last)


def _map(*size: int) -> Tensor:
    return torch.empty(size, dtype=torch.float32, memory_format=torch.channels_last)


def _address(x: Tensor | None) -> int | None:
    return None if x is None else x.data_ptr()


def _run(name: str, *structures: Any) -> None:
    native_layers.run(name, *structures, threads=torch.get_num_threads())


def _convolution(x: Tensor, weight: Tensor, stride: int) -> native_layers.Convolution:
    batch, channels, height, width = x.shape
    return native_layers.Convolution(batch, height, width, channels, weight.shape[0], stride)


def _convolved(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
    output = _map(x.shape[0], weight.shape[0], *(-(-length // stride) for length in x.shape[2:]))
    call = native_layers.ConvolutionForward(*map(_address, (x, weight, bias, output)), slope)
    _run("dynast_convolve", _convolution(x, weight, stride), call)
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
    grad = _last(grad)
    gradients = (
        torch.empty_like(x) if of_x else None,
        torch.empty_like(weight) if of_weight else None,
        weight.new_empty(weight.shape[0]) if of_weight else None,
    )
    addresses = map(_address, (x, weight, grad, *gradients))
    call = native_layers.ConvolutionBackward(*addresses, slope, _address(output))
    _run("dynast_convolve_back", _convolution(x, weight, stride), call)
    return gradients


class _Conv3x3(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, stride: int, slope: float) -> Tensor:
        x, weight = _last(x), weight.contiguous()
        output = _convolved(x, weight, bias, stride, slope)
        ctx.stride, ctx.slope = stride, slope
        ctx.save_for_backward(x, weight, None if slope == 1 else output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, output = ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        gradients = _convolved_back(
            x, weight, grad, ctx.stride, ctx.slope, output, of_x=of_x, of_weight=of_weight or of_bias
        )
        return *gradients, None, None


def _resample(name: str, low: torch.Size, source: Tensor, target: Tensor) -> None:
    batch, channels, height, width = low
    addresses = map(_address, (source, target))
    _run(name, native_layers.Upsampling(batch, height, width, channels, *addresses))


class _UpsampledConv3x3(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, slope: float) -> Tensor:
        x, weight = _last(x), weight.contiguous()
        high = _map(*x.shape[:2], *(2 * length for length in x.shape[2:]))
        _resample("dynast_upsample", x.shape, x, high)
        output = _convolved(high, weight, bias, slope=slope)
        ctx.size, ctx.slope = x.shape, slope
        ctx.save_for_backward(high, weight, output)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        high, weight, output = ctx.saved_tensors
        of_x, of_weight, of_bias, _ = ctx.needs_input_grad
        of_high, *of_layer = _convolved_back(
            high, weight, grad, slope=ctx.slope, output=output, of_x=of_x, of_weight=of_weight or of_bias
        )
        if of_high is None:
            return None, *of_layer, None
        gradient = _map(*ctx.size)
        _resample("dynast_upsample_back", ctx.size, of_high, gradient)
        return gradient, *of_layer, None


class _SpectralNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, u: Tensor, v: Tensor, epsilon: float) -> Tensor:
        weight = weight.contiguous()
        output, sigma = torch.empty_like(weight), weight.new_empty(1)
        ctx.sizes = native_layers.SpectralNorm(u.numel(), v.numel(), epsilon)
        addresses = map(_address, (weight, u, v, output, sigma))
        _run("dynast_spectral_norm", ctx.sizes, native_layers.SpectralNormForward(*addresses))
        # Copies, since another forward pass may come before the backward one.
        ctx.save_for_backward(output, u.clone(), v.clone(), sigma)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved, grad = ctx.saved_tensors, grad.contiguous()
        gradient = torch.empty_like(grad)
        call = native_layers.SpectralNormBackward(*map(_address, (*saved, grad, gradient)))
        _run("dynast_spectral_norm_back", ctx.sizes, call)
        return gradient, None, None, None


class _Modulation(torch.autograd.Function):
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
        signal, shared = _last(signal), shared.contiguous()
        hidden = _convolved(signal, shared, shared_bias, slope=0.0)
        weight = torch.cat([gamma, beta])
        ctx.save_for_backward(signal, shared, hidden, weight)
        return _convolved(hidden, weight, torch.cat([gamma_bias, beta_bias]))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
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


class _Modulated(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        modulation: Tensor,
        slope: Tensor | None,
        attended: Tensor | None,
        confidence: Tensor | None,
    ) -> Tensor:
        x, modulation = _last(x), _last(modulation)
        attended = None if attended is None else attended.contiguous()
        confidence = None if confidence is None else confidence.contiguous()
        batch, channels, height, width = x.shape
        ctx.sizes = native_layers.Modulation(batch * height * width, channels)
        output = torch.empty_like(x)
        inputs = (x, modulation, slope, attended, confidence)
        _run("dynast_modulate", ctx.sizes, native_layers.ModulationForward(*map(_address, (*inputs, output))))
        ctx.save_for_backward(*inputs)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        inputs, grad = ctx.saved_tensors, _last(grad)
        gradients = [None if x is None else torch.empty_like(x) for x in inputs]
        call = native_layers.ModulationBackward(*map(_address, (*inputs, grad, *gradients)))
        _run("dynast_modulate_back", ctx.sizes, call)
        return tuple(gradients)


class _UnitTokens(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, pos: Tensor) -> Tensor:
        x, pos = _last(x), _last(pos)
        batch, channels, height, width = x.shape
        ctx.sizes = native_layers.UnitTokens(height * width, batch, channels, pos.shape[1])
        output = x.new_empty(batch, height * width, channels + pos.shape[1])
        _run(
            "dynast_unit_tokens", ctx.sizes, native_layers.UnitTokensForward(*map(_address, (x, pos, output)))
        )
        ctx.save_for_backward(x, pos)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, pos = ctx.saved_tensors
        grad = grad.contiguous()
        of_x, of_pos = torch.empty_like(x), torch.empty_like(pos)
        call = native_layers.UnitTokensBackward(*map(_address, (x, grad, of_x, of_pos)))
        _run("dynast_unit_tokens_back", ctx.sizes, call)
        return of_x, of_pos


class _Projections(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel_a: Tensor, bias_a: Tensor, kernel_b: Tensor | None, bias_b: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        x = x.contiguous()
        kernels = [None if kernel is None else kernel.contiguous() for kernel in (kernel_a, kernel_b)]
        widths = [0 if kernel is None else kernel.shape[0] for kernel in kernels]
        outputs = [x.new_empty(*x.shape[:-1], width) if width else None for width in widths]
        ctx.sizes = native_layers.Projections(x.numel() // x.shape[-1], x.shape[-1], *widths)
        call = native_layers.ProjectionsForward(*map(_address, (x, *kernels, bias_a, bias_b, *outputs)))
        _run("dynast_project", ctx.sizes, call)
        ctx.save_for_backward(x, *kernels)
        return tuple(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        x, *kernels = ctx.saved_tensors
        incoming = [None if grad is None else grad.contiguous() for grad in gradients]
        of_x = torch.empty_like(x) if ctx.needs_input_grad[0] else None
        wanted = any(ctx.needs_input_grad[1:])
        of_kernels = [
            torch.empty_like(kernel) if wanted and kernel is not None else None for kernel in kernels
        ]
        of_biases = [None if of is None else of.new_empty(of.shape[0]) for of in of_kernels]
        addresses = map(_address, (x, *kernels, *incoming, of_x, *of_kernels, *of_biases))
        _run("dynast_project_back", ctx.sizes, native_layers.ProjectionsBackward(*addresses))
        return of_x, of_kernels[0], of_biases[0], of_kernels[1], of_biases[1]


class _Norm(torch.autograd.Function):
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
        x, residual = _last(x), None if residual is None else _last(residual)
        channels = x.shape[1]
        ctx.sizes = native_layers.Norm(x.numel() // channels // parts, parts, channels, epsilon, momentum)
        output, mean, scale = torch.empty_like(x), x.new_empty(parts, channels), x.new_empty(parts, channels)
        inputs = (x, residual, weight, bias, slope)
        addresses = map(_address, (*inputs, running_mean, running_variance, output, mean, scale))
        _run("dynast_norm", ctx.sizes, native_layers.NormForward(*addresses))
        ctx.save_for_backward(*inputs, mean, scale)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved, grad = ctx.saved_tensors, _last(grad)
        of_inputs = [None if each is None else torch.empty_like(each) for each in saved[:5]]
        call = native_layers.NormBackward(*map(_address, (*saved, grad, *of_inputs)))
        _run("dynast_norm_back", ctx.sizes, call)
        return *of_inputs, None, None, None, None, None


class _PReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor | None, slope: Tensor) -> Tensor:
        x, residual = _last(x), None if residual is None else _last(residual)
        output = torch.empty_like(x)
        call = native_layers.Activation(
            x.numel(), *map(_address, (x, residual, slope, None, output, None, None))
        )
        _run("dynast_activate", call)
        ctx.save_for_backward(x, residual, slope)
        return output

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (x, residual, slope), grad = ctx.saved_tensors, _last(grad)
        of_sum, of_slope = torch.empty_like(x), torch.empty_like(slope)
        call = native_layers.Activation(
            x.numel(), *map(_address, (x, residual, slope, grad, None, of_sum, of_slope))
        )
        _run("dynast_activate", call)
        return of_sum, None if residual is None else of_sum, of_slope
