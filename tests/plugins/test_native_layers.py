"""The native layers on maps (modulation, norms, activations) against PyTorch in float64."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from native_kernels import MARKS, assert_equal_with_gradients, normal
from torch import Tensor

from dynast_deploy.errors import DynastError
from dynast_deploy.layer_ops import positional_norm, to_map, to_tokens
from dynast_deploy.layers import Conv3x3, spectral_norm, use_layer_ops
from dynast_deploy.native_generator import layer_ops
from dynast_deploy.plugins.native_build import cpu as build
from dynast_deploy.plugins.pyt import layers as torch_layers

pytestmark = MARKS


def plain_modulated(x: Tensor, modulation: Tensor) -> Tensor:
    gamma, beta = modulation.chunk(2, 1)
    return (1 + gamma) * positional_norm(x) + beta


@pytest.mark.parametrize("variant", build.variants())
@pytest.mark.parametrize(
    ("channels", "size"), [(3, (3, 5)), (16, (8, 8)), (32, (5, 3)), (37, (1, 9)), (64, (4, 5)), (128, (2, 3))]
)
def test_modulation_and_fusion(
    channels: int, size: tuple[int, int], variant: str, set_variant: Callable[[str], None]
) -> None:
    set_variant(variant)
    torch.manual_seed(2)
    length = size[0] * size[1]
    x, modulation = normal(2, channels, *size), normal(2, 2 * channels, *size)
    assert_equal_with_gradients(
        lambda x, m, slope: F.prelu(plain_modulated(x, m), slope),
        torch_layers.modulated,
        [x, modulation, torch.tensor([0.3])],
    )

    def fused(x: Tensor, m: Tensor, attended: Tensor, confidence: Tensor) -> Tensor:
        doubt = 1 - to_map(confidence, *size)
        return positional_norm(to_map(attended, *size) + doubt * plain_modulated(x, m) + x)

    attended, confidence = normal(2, length, channels), torch.rand(2, length, 1)
    assert_equal_with_gradients(fused, torch_layers.fused, [x, modulation, attended, confidence])


@pytest.mark.parametrize("shape", [(2, 1, 2, 3), (2, 5, 7, 3), (1, 16, 31, 9), (3, 37, 8, 8)])
@pytest.mark.parametrize("has_residual", [False, True])
def test_batch_norm_with_what_follows_it(shape: tuple[int, ...], has_residual: bool) -> None:
    torch.manual_seed(10)
    channels = shape[1]
    # A mean large compared with the deviation, which a sum of squares would lose.
    x = normal(*shape) + 30 * normal(1, channels, 1, 1)
    inputs = [x, normal(channels), normal(channels), torch.tensor([0.2])]
    norms = []

    def normed(*arguments: Tensor, fast: bool) -> Tensor:
        x, weight, bias, slope, *residual = arguments
        norm = torch.nn.BatchNorm2d(channels).to(x.dtype)
        norms.append(norm)
        del norm.weight, norm.bias
        norm.weight, norm.bias = weight, bias
        if fast:
            return torch_layers.batch_norm(x, norm, slope, *residual)
        return F.prelu(norm(x) + (residual[0] if residual else 0), slope)

    assert_equal_with_gradients(
        lambda *arguments: normed(*arguments, fast=False),
        lambda *arguments: normed(*arguments, fast=True),
        [*inputs, normal(*shape)] if has_residual else inputs,
    )
    expected, actual = norms
    assert actual.num_batches_tracked == 1
    for name in ("running_mean", "running_var"):
        wanted = getattr(expected, name)
        assert (getattr(actual, name) - wanted).abs().max() < 1e-5 * max(1, wanted.abs().max()), name


@pytest.mark.parametrize("shape", [(2, 1, 2, 3), (3, 5, 7, 3), (1, 37, 16, 16)])
def test_instance_norm(shape: tuple[int, ...]) -> None:
    torch.manual_seed(14)
    x = normal(*shape) + 3 * normal(shape[0], shape[1], 1, 1)
    assert_equal_with_gradients(
        functools.partial(F.instance_norm, eps=1e-5), lambda x: torch_layers.instance_norm(x, 1e-5), [x]
    )


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (5, 3, 3, 3), (16, 16, 3, 3), (70, 60, 3, 3)])
def test_spectral_norm(shape: tuple[int, ...], set_threads: Callable[[int], None]) -> None:
    torch.manual_seed(18)
    weight, vectors = normal(*shape), (normal(shape[0]), normal(shape[1] * 9 if shape[2] == 3 else 1))
    left = []

    def normed(weight: Tensor, fast: bool) -> Tensor:
        u, v = (vector.to(weight.dtype) for vector in vectors)
        if fast:
            result = torch_layers.spectral_norm(weight, u, v, 1e-12)
        else:
            matrix = weight.detach().flatten(1)
            v = F.normalize(matrix.T @ u, dim=0)
            u = F.normalize(matrix @ v, dim=0)
            result = weight / (u @ weight.flatten(1) @ v)
        left.append((u.double(), v.double()))
        return result

    for threads in (1, 3):
        set_threads(threads)
        assert_equal_with_gradients(
            functools.partial(normed, fast=False), functools.partial(normed, fast=True), [weight]
        )
    torch.testing.assert_close(left[1], left[0], atol=1e-6, rtol=1e-5)
    assert torch.equal(left[3][0], left[1][0])


def test_a_native_spectral_norm_goes_on_as_torch_does_and_leaves_its_checkpoint() -> None:
    torch.manual_seed(19)
    torch_conv = torch.nn.utils.spectral_norm(Conv3x3(4, 6))
    fast = spectral_norm(Conv3x3(4, 6))
    fast.load_state_dict(torch_conv.state_dict())
    use_layer_ops(fast, layer_ops)
    x = torch.randn(2, 4, 5, 7)
    for _ in range(3):
        torch.testing.assert_close(fast(x), torch_conv(x))
    for name, expected in torch_conv.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[name], expected)
    torch.testing.assert_close(fast.eval()(x), torch_conv.eval()(x))


def test_one_pixel_has_no_batch_to_be_normed_over() -> None:
    with pytest.raises(DynastError, match="at least two of them"):
        torch_layers.batch_norm(torch.rand(1, 4, 1, 1), torch.nn.BatchNorm2d(4), torch.rand(1))


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (2, 5, 7, 3), (1, 16, 9, 9)])
def test_prelu_of_one_map_and_of_a_sum(shape: tuple[int, ...]) -> None:
    torch.manual_seed(3)
    slope = torch.tensor([-0.2])
    assert_equal_with_gradients(F.prelu, torch_layers.prelu, [normal(*shape), slope])
    assert_equal_with_gradients(
        lambda x, slope, residual: F.prelu(x + residual, slope),
        torch_layers.prelu,
        [normal(*shape), slope, normal(*shape)],
    )


def test_results_and_gradients_do_not_depend_on_the_number_of_threads(
    set_threads: Callable[[int], None],
) -> None:
    torch.manual_seed(4)
    x, modulation = torch.rand(2, 16, 70, 40), torch.randn(2, 32, 70, 40)
    weight, bias, slope = torch.randn(16, 16, 3, 3), torch.randn(16), torch.tensor([0.2])
    found = []
    for threads in (1, 2, 5):
        set_threads(threads)
        inputs = [tensor.clone().requires_grad_() for tensor in (x, modulation, weight, bias, slope)]
        y = torch_layers.conv3x3(torch_layers.modulated(inputs[0], inputs[1], inputs[4]), *inputs[2:4])
        y = torch_layers.prelu(y, inputs[4], inputs[0])
        found.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_projections_and_norms_do_not_depend_on_the_number_of_threads(
    set_threads: Callable[[int], None],
) -> None:
    torch.manual_seed(11)
    x, kernel, bias = torch.randn(2, 24, 60, 50), torch.randn(40, 24, 1, 1), torch.randn(40)
    found = []
    for threads in (1, 2, 5):
        set_threads(threads)
        norm = torch.nn.BatchNorm2d(24)
        inputs = [tensor.clone().requires_grad_() for tensor in (x, kernel, bias, torch.tensor([0.2]))]
        y = torch_layers.batch_norm(inputs[0], norm, inputs[3], inputs[0])
        (y,) = torch_layers.projections(to_tokens(y), inputs[1:3])
        found.append([y, norm.running_mean, *torch.autograd.grad(y.square().sum(), inputs)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize("variant", build.variants())
def test_every_instruction_set_projects_and_normalises_alike(
    variant: str, set_variant: Callable[[str], None]
) -> None:
    set_variant(variant)
    torch.manual_seed(12)
    x, slope = torch.randn(2, 21, 9, 5), torch.tensor([0.2])
    inputs = [tensor.requires_grad_() for tensor in (x, torch.randn(19, 21, 1, 1), torch.randn(19))]
    norm = torch.nn.BatchNorm2d(21)
    fast = torch_layers.projections(to_tokens(torch_layers.batch_norm(x, norm, slope)), inputs[1:])[0]
    plain = F.linear(to_tokens(F.prelu(norm(x), slope)), inputs[1].flatten(1), inputs[2])
    torch.testing.assert_close(fast, plain, atol=1e-4, rtol=1e-4)
    found, expected = (torch.autograd.grad(y.cos().sum(), inputs) for y in (fast, plain))
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)
