"""Batch norm over the batches of all processes, on any device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn


class SharedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose mean and variance in training are those of all processes' equally large batches.

    PyTorch's SyncBatchNorm does the same on GPUs alone. Statistics are float32; the result has the type of the input.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`[N, C, H, W]`, N the same in every process."""
        if not self.training:
            return super().forward(x)
        wide = x.float() if x.dtype in (torch.float16, torch.bfloat16) else x
        mean = _mean_of_processes(wide.mean((0, 2, 3)))
        centred = wide - mean[:, None, None]
        variance = _mean_of_processes(centred.square().mean((0, 2, 3)))
        self._remember(mean.detach(), variance.detach(), x.numel() // x.shape[1])
        scale = (variance + self.eps).rsqrt() * self.weight
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Running statistics; the variance that is kept is the unbiased one."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        count *= dist.get_world_size()
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (count / max(1, count - 1)), self.momentum)


class _MeanOfProcesses(torch.autograd.Function):
    """The mean of a tensor over the processes; each gets the mean of all gradients back."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _mean(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _mean(gradient)


def _mean(value: Tensor) -> Tensor:
    total = value.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(total)
    return total / dist.get_world_size()


def _mean_of_processes(value: Tensor) -> Tensor:
    apply: Callable[[Tensor], Tensor] = _MeanOfProcesses.apply
    return apply(value)


def share_batch_norm(module: nn.Module) -> None:
    """Make every batch norm in `module` a `SharedBatchNorm2d`."""
    for child in module.modules():
        if type(child) is nn.BatchNorm2d:
            child.__class__ = SharedBatchNorm2d  # the same parameters and buffers; only `forward` differs
