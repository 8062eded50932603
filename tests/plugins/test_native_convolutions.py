"""The native convolutions against PyTorch in float64."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from native_kernels import MARKS, assert_equal_with_gradients, normal
from torch import Tensor

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.native_build import cpu as build
from dynast_deploy.plugins.pyt import layers as torch_layers

pytestmark = MARKS


def convolved(x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1) -> Tensor:
    return F.conv2d(F.pad(x, (1, 1, 1, 1), "reflect"), weight, bias, stride)


@settings(max_examples=40, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.tuples(st.integers(2, 20), st.integers(2, 20)),
)
def test_convolution(batch: int, channels: tuple[int, int], size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    inputs = [
        normal(batch, channels[0], *size),
        normal(channels[1], channels[0], 3, 3, scale=0.1),
        normal(channels[1]),
    ]
    assert_equal_with_gradients(convolved, torch_layers.conv3x3, inputs)


def test_convolution_of_a_map_wide_enough_for_every_share() -> None:
    torch.manual_seed(1)
    x, weight = normal(2, 3, 60, 150), normal(17, 3, 3, 3)
    assert_equal_with_gradients(convolved, torch_layers.conv3x3, [x, weight, normal(17)])


@pytest.mark.parametrize(
    ("batch", "channels", "size"),
    [
        (1, (8, 8), (2, 2)),
        (2, (64, 70), (3, 5)),
        (4, (136, 24), (8, 8)),
        (1, (16, 16), (29, 131)),
        (2, (9, 33), (17, 4)),
        (1, (24, 200), (7, 6)),
        (1, (33, 130), (37, 34)),
    ],
)
def test_convolution_of_many_channels(batch: int, channels: tuple[int, int], size: tuple[int, int]) -> None:
    torch.manual_seed(5)
    x, weight = normal(batch, channels[0], *size), normal(channels[1], channels[0], 3, 3)
    assert_equal_with_gradients(convolved, torch_layers.conv3x3, [x, weight, normal(channels[1])])


@pytest.mark.parametrize(
    ("batch", "channels", "size"),
    [
        (1, (1, 1), (2, 2)),
        (2, (3, 7), (5, 9)),
        (1, (16, 33), (8, 30)),
        (3, (9, 5), (4, 7)),
        (1, (360, 320), (4, 6)),
        (1, (70, 66), (33, 40)),
    ],
)
def test_convolution_of_stride_2(batch: int, channels: tuple[int, int], size: tuple[int, int]) -> None:
    torch.manual_seed(13)
    x, weight = normal(batch, channels[0], *size), normal(channels[1], channels[0], 3, 3, scale=0.1)
    assert_equal_with_gradients(
        functools.partial(convolved, stride=2),
        functools.partial(torch_layers.conv3x3, stride=2),
        [x, weight, normal(channels[1])],
    )


@pytest.mark.parametrize("slope", [0.0, 0.2])
@pytest.mark.parametrize(
    ("channels", "size", "stride"),
    [
        ((20, 16), (9, 13), 1),
        ((3, 7), (5, 9), 1),
        ((16, 3), (8, 8), 1),
        ((17, 40), (7, 6), 2),
        ((360, 330), (4, 4), 1),
    ],
)
def test_convolution_with_a_leaky_relu(
    channels: tuple[int, int], size: tuple[int, int], stride: int, slope: float
) -> None:
    torch.manual_seed(14)
    x, weight = normal(2, channels[0], *size), normal(channels[1], channels[0], 3, 3, scale=0.1)
    assert_equal_with_gradients(
        lambda *tensors: F.leaky_relu(convolved(*tensors, stride), slope),
        lambda *tensors: torch_layers.conv3x3(*tensors, stride, slope),
        [x, weight, normal(channels[1])],
    )


@pytest.mark.parametrize(
    ("channels", "hidden", "size"), [(20, 16, (12, 17)), (3, 8, (2, 3)), (23, 40, (6, 6))]
)
def test_modulation_by_a_signal(channels: int, hidden: int, size: tuple[int, int]) -> None:
    torch.manual_seed(15)

    def plain(signal: Tensor, *layers: Tensor) -> Tensor:
        heard = F.relu(convolved(signal, *layers[:2]))
        return torch.cat([convolved(heard, *layers[2:4]), convolved(heard, *layers[4:])], 1)

    def fast(signal: Tensor, *layers: Tensor) -> Tensor:
        return torch_layers.modulation(signal, *zip(layers[::2], layers[1::2], strict=True))

    wide = [normal(hidden, hidden, 3, 3, scale=0.1), normal(hidden)]
    inputs = [
        normal(2, channels, *size),
        normal(hidden, channels, 3, 3, scale=0.1),
        normal(hidden),
        *wide,
        *wide,
    ]
    assert_equal_with_gradients(plain, fast, inputs)


def test_a_map_of_one_row_has_no_reflected_border() -> None:
    with pytest.raises(DynastError, match="maps of at least 2x2"):
        torch_layers.conv3x3(torch.rand(1, 4, 1, 8), torch.rand(2, 4, 3, 3), torch.rand(2))


@pytest.mark.parametrize("variant", build.variants())
@pytest.mark.parametrize("channels", [(9, 4), (12, 8), (8, 16), (16, 20), (33, 40)])
def test_every_instruction_set_convolves_alike(
    channels: tuple[int, int], variant: str, set_variant: Callable[[str], None]
) -> None:
    set_variant(variant)
    torch.manual_seed(16)
    x, weight = normal(1, channels[0], 9, 7), normal(channels[1], channels[0], 3, 3, scale=0.1)
    assert_equal_with_gradients(convolved, torch_layers.conv3x3, [x, weight, normal(channels[1])])


@pytest.mark.parametrize(
    ("channels", "size"),
    [((5, 3), (1, 2)), ((8, 16), (2, 1)), ((16, 12), (7, 10)), ((37, 9), (3, 5)), ((20, 6), (70, 3))],
)
def test_convolution_of_upsampled_maps(channels: tuple[int, int], size: tuple[int, int]) -> None:
    torch.manual_seed(17)

    def plain(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        high = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return F.leaky_relu(convolved(high, weight, bias), 0.1)

    inputs = [normal(2, channels[0], *size), normal(channels[1], channels[0], 3, 3, scale=0.1)]
    assert_equal_with_gradients(
        plain,
        functools.partial(torch_layers.upsampled_conv3x3, slope=0.1),
        [*inputs, normal(channels[1])],
    )


@pytest.mark.parametrize("size", [(8, 8), (36, 40)])
def test_shares_of_the_channels_of_a_small_map_do_not_depend_on_the_number_of_threads(
    size: tuple[int, int], set_threads: Callable[[int], None]
) -> None:
    torch.manual_seed(6)
    tensors = torch.randn(1, 72, *size), torch.randn(90, 72, 3, 3), torch.randn(90)
    found = []
    for threads in (1, 3):
        set_threads(threads)
        inputs = [tensor.clone().requires_grad_() for tensor in tensors]
        y = torch_layers.conv3x3(*inputs)
        found.append([y, *torch.autograd.grad(y.square().sum(), inputs)])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
