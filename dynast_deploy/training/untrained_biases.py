"""Biases that change nothing that a network computes."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from dynast_deploy.attention_block import AttentionBlock


def freeze_idle_biases(network: nn.Module) -> None:
    """Take them out of training: the normalisation after a convolution subtracts its bias again, and the bias of keys
    adds the same to all logits of a query, which softmax ignores.

    Their gradient is 0 but for rounding, which Adam would blow up to whole steps in a direction that every machine and
    every number of processes rounds differently.
    """
    for module in network.modules():
        idle = [module.g] if isinstance(module, AttentionBlock) else []
        if isinstance(module, nn.Sequential):
            idle += [
                layer
                for layer, after in pairwise(module)
                if isinstance(layer, nn.Conv2d) and isinstance(after, (nn.BatchNorm2d, nn.InstanceNorm2d))
            ]
        for layer in idle:
            if layer.bias is not None:
                layer.bias.requires_grad_(False)
