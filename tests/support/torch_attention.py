"""The native attention operator of PyTorch, called on a layer of `attention_layers`."""

from __future__ import annotations

from attention_layers import Layer
from torch import Tensor

from dynast_deploy import attention
from dynast_deploy.plugins.pyt import attention as torch_ops

OPERATORS = {"inter": torch_ops.inter_scale_attention, "inner": torch_ops.inner_scale_attention}


def operate(layer: Layer, tensors: dict[str, Tensor]) -> attention.Attention:
    return OPERATORS[layer.scale](
        **tensors, matches=layer.matches(), warp_mask=layer.warp_mask, **layer.settings
    )
