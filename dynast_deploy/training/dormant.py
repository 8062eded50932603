"""Units that never fire.

Adam at a high rate moves some units below zero for every input, and there a ReLU gives no gradient: they are lost for
good, in narrow networks most of a layer. Giving such units new weights is the remedy of Sokar et al., "The Dormant
Neuron Phenomenon in Deep Reinforcement Learning", ICML 2023.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import PlainLayerOps
from dynast_deploy.layers import SPADE, Conv3x3, Upsampler, use_layer_ops

LEAST_SHARE = 1e-3
"""Of the positions of a batch, at which a unit that is alive fires."""


@torch.no_grad()
def revive(generator: Generator, batch: Mapping[str, Any]) -> int:
    """Give new first weights to the channels of ReLU layers that are dormant on `batch`; how many they are.

    The batch holds condition, exemplar and exemplar_condition. New weights come from PyTorch's random numbers.
    """
    noting = _FiringShares(_relu_layers(generator))
    was_training, ops = generator.training, generator.ops
    generator.eval()
    use_layer_ops(generator, lambda *tensors: noting)
    generator(batch["condition"], batch["exemplar"], batch["exemplar_condition"])
    generator.train(was_training)
    use_layer_ops(generator, ops)
    return sum(_renew(conv, share < LEAST_SHARE) for conv, share in noting.shares.items())


class _FiringShares(PlainLayerOps):
    """Plain operations that note at which share of positions the channels of some convolutions are positive.

    shares: `[C]` in 0..1 by convolution, in the order of their first use.
    """

    def __init__(self, convs: Iterable[Conv3x3]) -> None:
        self._convs = {id(conv.weight): conv for conv in convs}
        self.shares: dict[Conv3x3, Tensor] = {}

    def conv3x3(self, x: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, slope: float = 1.0) -> Tensor:
        y = super().conv3x3(x, weight, bias, stride, slope)
        if conv := self._convs.get(id(weight)):
            self.shares[conv] = (y > 0).float().mean((0, 2, 3))
        return y


def _relu_layers(generator: Generator) -> Iterator[Conv3x3]:
    for module in generator.modules():
        if isinstance(module, SPADE):
            yield module.rectified
        elif isinstance(module, Upsampler) and module.slope == 0:
            yield module.conv


def _renew(conv: Conv3x3, dormant: Tensor) -> int:
    """New weights for the output channels that `dormant` (bool `[C]`) marks, as those of a new layer; their number."""
    assert conv.bias is not None
    fresh = nn.Conv2d(conv.in_channels, conv.out_channels, conv.weight.shape[-1])
    assert fresh.bias is not None
    conv.weight[dormant] = fresh.weight.to(conv.weight)[dormant]
    conv.bias[dormant] = fresh.bias.abs().to(conv.bias)[dormant]
    return int(dormant.sum())
