"""What tests of the native kernels share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dynast_deploy.plugins.native_build import cpu as build

MARKS = [
    pytest.mark.skipif(build.find_compiler() is None, reason="no C++ compiler to build the kernels with"),
    pytest.mark.usefixtures("built_kernels"),
]


def normal(*shape: int, scale: float = 1.0) -> Tensor:
    return scale * torch.randn(shape, dtype=torch.float64)


def assert_equal_with_gradients(
    plain: Callable[..., Tensor], fast: Callable[..., Tensor], inputs: list[Tensor]
) -> None:
    """Results within 1e-5 and gradients within 1e-4 of float64, relative to the largest value."""
    found = []
    for function, dtype in ((plain, torch.float64), (fast, torch.float32)):
        arguments = [x.detach().to(dtype).requires_grad_() for x in inputs]
        result = function(*arguments)
        weights = torch.linspace(-1, 2, result.numel(), dtype=dtype).reshape(result.shape).cos()
        found.append([result, *torch.autograd.grad((result * weights).sum(), arguments)])
    for place, (expected, actual) in enumerate(zip(*found, strict=True)):
        expected, actual = expected.detach(), actual.detach()
        assert actual.shape == expected.shape
        scale = max(float(expected.abs().max()), 1e-2)
        assert (actual - expected).abs().max() < (1e-4 if place else 1e-5) * scale, place
