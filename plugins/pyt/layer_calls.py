"""Calls of the native training layers with PyTorch's tensors: float32 on the CPU, maps in channels-last memory."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.plugins.bindings import native_layers


def channels_last(x: Tensor) -> Tensor:
    """A map `[N, C, H, W]` in channels-last memory, copied only where it is not."""
    return x.contiguous(memory_format=torch.channels_last)


def new_map(*size: int) -> Tensor:
    """Memory for a float32 map of this size `(N, C, H, W)`, channels last."""
    return torch.empty(size, dtype=torch.float32, memory_format=torch.channels_last)


def address(x: Tensor | None) -> int | None:
    """Where the tensor's data begin; None stands for no tensor. Of any shape."""
    return None if x is None else x.data_ptr()


def run(name: str, *structures: ctypes.Structure) -> None:
    """Call the native function `name` with as many threads as PyTorch uses.

    Raises:
        DynastError: Where the kernels are not built or refuse the sizes.
    """
    native_layers.run(name, *structures, threads=torch.get_num_threads())


def applied(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    """What `function.apply` gives; PyTorch leaves that untyped."""
    apply: Callable[..., Any] = function.apply
    return apply(*arguments)
