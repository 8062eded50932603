"""Hands a generator the native kernels: it computes in plain PyTorch unless one of these functions was called.

The core knows nothing of the kernels, and they know nothing of it; this is where both meet.
"""

from __future__ import annotations

import functools
import logging

import torch
from torch import Tensor

from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import PLAIN, LayerOps
from dynast_deploy.layers import use_layer_ops
from dynast_deploy.plugins.pyt import attention, layers

_log = logging.getLogger(__name__)


def use_native_attention(generator: Generator, device: str | torch.device) -> str | None:
    """Sparse attention by native kernels from now on, if they run on `device`; else the reason why not."""
    reason = attention.can_run(device)
    if reason is None:
        generator.sparse_attention = attention
    return reason


def use_native(generator: Generator, device: str | torch.device) -> str | None:
    """As `use_native_attention`, and layers by native kernels for the tensors that those take (`layer_ops`)."""
    reason = use_native_attention(generator, device)
    if reason is None:
        use_layer_ops(generator, layer_ops)
    return reason


def layer_ops(*tensors: Tensor) -> LayerOps:
    """The native operations for a layer of these tensors, or the plain ones where `layers.can_run` has a reason."""
    reason = layers.can_run(*tensors)
    if reason is None:
        return layers
    _note(reason)
    return PLAIN


@functools.cache
def _note(reason: str) -> None:
    """Log each reason once."""
    _log.debug("layers compute in plain PyTorch: %s", reason)
