"""Units that never fire.

Adam at a high rate moves some units below zero for every input, and there a ReLU gives no gradient: they are lost for
good, in narrow networks most of a layer. Giving such units new weights is the remedy of Sokar et al., "The Dormant
Neuron Phenomenon in Deep Reinforcement Learning", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from dynast_deploy.generator import Generator

LEAST_SHARE = 1e-3
"""Of the positions of a batch, at which a unit that is alive fires."""


@torch.no_grad()
def revive(generator: Generator, batch: Mapping[str, Any]) -> int:
    """Give new first weights to the channels of ReLU layers that are dormant on `batch`; how many they are.

    The batch holds condition, exemplar and exemplar_condition. New weights come from PyTorch's random numbers.
    """
    firing: dict[nn.Conv2d, Tensor] = {}

    def note(conv: nn.Conv2d, _: nn.Module, __: object, output: Tensor) -> None:
        firing[conv] = (output > 0).float().mean((0, 2, 3))

    handles = [
        activation.register_forward_hook(partial(note, conv)) for conv, activation in _relu_layers(generator)
    ]
    was_training = generator.training
    generator.eval()
    generator(batch["condition"], batch["exemplar"], batch["exemplar_condition"])
    generator.train(was_training)
    for handle in handles:
        handle.remove()
    return sum(_renew(conv, share < LEAST_SHARE) for conv, share in firing.items())


def _relu_layers(generator: Generator) -> Iterator[tuple[nn.Conv2d, nn.ReLU]]:
    for module in generator.modules():
        if isinstance(module, nn.Sequential):
            for conv, activation in pairwise(module):
                if isinstance(conv, nn.Conv2d) and isinstance(activation, nn.ReLU):
                    yield conv, activation


def _renew(conv: nn.Conv2d, dormant: Tensor) -> int:
    """New weights for the output channels that `dormant` (bool `[C]`) marks, as those of a new layer; their number."""
    assert conv.bias is not None
    fresh = nn.Conv2d(conv.in_channels, conv.out_channels, conv.weight.shape[-1])
    assert fresh.bias is not None
    conv.weight[dormant] = fresh.weight.to(conv.weight)[dormant]
    conv.bias[dormant] = fresh.bias.abs().to(conv.bias)[dormant]
    return int(dormant.sum())
