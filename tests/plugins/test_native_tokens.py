"""The native token layers (unit tokens and projections) against PyTorch in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from native_kernels import MARKS, assert_equal_with_gradients, normal
from torch import Tensor

from dynast_deploy.layer_ops import to_tokens, with_position
from dynast_deploy.plugins.bindings import native_layers
from dynast_deploy.plugins.native_build import cpu as build
from dynast_deploy.plugins.pyt import layers as torch_layers

pytestmark = MARKS


def plain_unit_tokens(x: Tensor, pos: Tensor) -> Tensor:
    return to_tokens(with_position(x, pos))


@pytest.mark.parametrize(
    ("batch", "channels", "pos_channels", "size"),
    [(1, 1, 1, (1, 1)), (3, 5, 3, (3, 7)), (2, 16, 16, (9, 8)), (2, 37, 21, (1, 9)), (1, 64, 8, (11, 13))],
)
def test_unit_tokens(batch: int, channels: int, pos_channels: int, size: tuple[int, int]) -> None:
    torch.manual_seed(7)
    inputs = [normal(batch, channels, *size), normal(1, pos_channels, *size)]
    assert_equal_with_gradients(plain_unit_tokens, torch_layers.unit_tokens, inputs)


def test_features_of_length_0_have_the_gradient_of_the_plain_form() -> None:
    torch.manual_seed(8)
    x = normal(2, 5, 3, 4)
    x[0, :, 1, 2] = x[1, :, 0, 0] = 0
    assert_equal_with_gradients(plain_unit_tokens, torch_layers.unit_tokens, [x, normal(1, 3, 3, 4)])


def test_gradients_next_to_features_of_length_0_are_those_of_the_plain_form() -> None:
    torch.manual_seed(8)
    x, pos, weights = torch.randn(2, 5, 3, 4), torch.randn(1, 3, 3, 4), torch.randn(2, 12, 8)
    x[0, :, 1, 2] = 0
    of_x = []
    for form in (plain_unit_tokens, torch_layers.unit_tokens):
        leaf = x.clone().requires_grad_()
        of_x += torch.autograd.grad((form(leaf, pos) * weights).sum(), [leaf])
    torch.testing.assert_close(of_x[1], of_x[0], atol=1e-5, rtol=1e-4)


def test_unit_tokens_need_one_position_code_of_the_maps_size() -> None:
    with pytest.raises(ValueError, match="a position code"):
        torch_layers.unit_tokens(torch.rand(2, 4, 3, 3), torch.rand(1, 4, 3, 2))


@pytest.mark.parametrize("variant", build.variants())
def test_every_instruction_set_makes_the_same_unit_tokens(
    variant: str, set_variant: Callable[[str], None]
) -> None:
    set_variant(variant)
    x, pos, grad = torch.randn(2, 6, 9), torch.randn(6, 5), torch.randn(2, 6, 14)
    sizes, output = native_layers.UnitTokens(6, 2, 9, 5), torch.empty(2, 6, 14)
    of_x, of_pos = torch.empty_like(x), torch.empty_like(pos)
    forward = native_layers.UnitTokensForward(*(t.data_ptr() for t in (x, pos, output)))
    backward = native_layers.UnitTokensBackward(*(t.data_ptr() for t in (x, grad, of_x, of_pos)))
    native_layers.run("dynast_unit_tokens", sizes, forward, threads=1)
    native_layers.run("dynast_unit_tokens_back", sizes, backward, threads=1)
    leaves = [x.requires_grad_(), pos.requires_grad_()]
    expected = plain_unit_tokens(x.mT.unsqueeze(3), pos.mT.unsqueeze(0).unsqueeze(3))
    torch.testing.assert_close(output, expected.detach(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(
        (of_x, of_pos), torch.autograd.grad(expected, leaves, grad), atol=1e-5, rtol=1e-5
    )


def test_unit_tokens_do_not_depend_on_the_number_of_threads(set_threads: Callable[[int], None]) -> None:
    torch.manual_seed(9)
    tensors, found = (torch.randn(3, 16, 20, 17), torch.randn(1, 8, 20, 17)), []
    for threads in (1, 2, 5):
        set_threads(threads)
        inputs = [tensor.clone().requires_grad_() for tensor in tensors]
        y = torch_layers.unit_tokens(*inputs)
        found.append([y, *torch.autograd.grad(y.exp().sum(), inputs)])
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((1, 1, 1), (1,)),
        ((2, 7, 5), (3, 2)),
        ((1, 300, 36), (36, 16)),
        ((3, 50, 33), (70,)),
        ((2, 1500, 8), (8, 40)),
    ],
)
def test_projections(shape: tuple[int, int, int], widths: tuple[int, ...]) -> None:
    torch.manual_seed(9)
    inputs = [normal(*shape)]
    for width in widths:
        inputs += [normal(width, shape[2], 1, 1), normal(width)]

    def plain(tokens: Tensor, *layers: Tensor) -> Tensor:
        pairs = zip(layers[::2], layers[1::2], strict=True)
        return torch.cat([F.linear(tokens, weight.flatten(1), bias) for weight, bias in pairs], -1)

    def fast(tokens: Tensor, *layers: Tensor) -> Tensor:
        return torch.cat(torch_layers.projections(tokens, *zip(layers[::2], layers[1::2], strict=True)), -1)

    assert_equal_with_gradients(plain, fast, inputs)
