"""One block of the transformer: what it keeps of the exemplar, its queries, and the fusion of what they attend to."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dynast_deploy.attention_interface import Attention
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.layer_ops import ConvParameters, to_tokens
from dynast_deploy.layers import SPADE, Layer, ResidualBlock


class BlockExemplar(NamedTuple):
    """What one attention block needs of the exemplar: key `[E, L, C]`, key_prune `[E, L, P]`, value `[E, L, V]`."""

    key: Tensor
    key_prune: Tensor
    value: Tensor


def exact(x: Tensor) -> AbstractContextManager[Any]:
    """Leaves autocast for what decides which keys match: in half precision near-ties would be decided by rounding."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


class AttentionBlock(Layer):
    """One transformer layer: queries from the frame, keys and values from the exemplar."""

    def __init__(self, config: GeneratorConfig, scale: int) -> None:
        super().__init__()
        channels, prune = config.channels(scale), config.prune_channels(scale)
        width = channels + config.pos_channels(scale)
        self.f = nn.Conv2d(width, width, 1)
        self.g = nn.Conv2d(width, width, 1)
        self.h = nn.Conv2d(channels, channels, 1)
        self.f_prune = nn.Conv2d(width, prune, 1)
        self.g_prune = nn.Conv2d(width, prune, 1)
        self.spade = SPADE(channels, config.semantic_nc)
        self.res_block = ResidualBlock(channels)

    def encode(self, kv: Tensor, key: Tensor) -> BlockExemplar:
        """Keys and values of the exemplar's features `[E, C, H, W]` and `Generator.tokens` `[E, H*W, C + P]`."""
        (value,) = self._projected(to_tokens(kv), self.h)
        with exact(key):
            key, key_prune = self._projected(key, self.g, self.g_prune)
        return BlockExemplar(key, key_prune, value)

    def queries(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Query `[N, L, C]` and prune query `[N, L, P]` of the frame's `Generator.tokens`."""
        with exact(query):
            query, query_prune = self._projected(query, self.f, self.f_prune)
        return query, query_prune

    def _projected(self, tokens: Tensor, *convs: nn.Conv2d) -> tuple[Tensor, ...]:
        """1x1 convolutions of tokens `[N, L, C]`."""
        return self.ops(tokens).projections(tokens, *map(_parameters, convs))

    def fuse(self, x: Tensor, attended: Attention, condition: Tensor) -> Tensor:
        """Features `x` `[N, C, H, W]` fused with what their queries attend to, by the frame's condition `[N, S, H, W]`.

        Where the match is doubtful, the modulated features take the place of attended ones.
        """
        modulation = self.spade.modulation(condition)
        ops = self.ops(x, modulation, attended.attended)
        y: Tensor = self.res_block(ops.fused(x, modulation, attended.attended, attended.confidence))
        return y


def _parameters(conv: nn.Conv2d) -> ConvParameters:
    assert conv.bias is not None
    return conv.weight, conv.bias
