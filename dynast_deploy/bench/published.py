"""The published formulation in eager PyTorch: what the engine's speed and memory are compared with.

The network of `dynast_deploy.generator` with its arithmetic arranged as the published code arranges it: exemplar and
frame go through the cascade together and nothing is kept between frames, sparse layers gather the keys and values of
their candidates into tensors, weights are spectrally normalised in every call, and both fusions of scale 1 compute
their modulation.
"""

from __future__ import annotations

import os
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention_block import AttentionBlock, BlockExemplar
from dynast_deploy.attention_interface import Attention
from dynast_deploy.bench import gathered
from dynast_deploy.checkpoint import fitting_state, stored_generator
from dynast_deploy.config import SCALES, GeneratorConfig
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import to_map, to_tokens, with_position
from dynast_deploy.layers import SPADE, SPADEResnetBlock


def load_published(
    path: str | os.PathLike[str], top_k: int | None = None, smooth: float | None = None
) -> PublishedGenerator:
    """As `dynast_deploy.load_generator`.

    Raises:
        DynastError: The file is not a checkpoint of a generator.
    """
    stored = stored_generator(read_checkpoint(path), str(path), top_k, smooth)
    state = fitting_state(stored.config, stored.state, str(path))
    generator = PublishedGenerator(stored.config)
    generator.load_state_dict(state)
    return generator.eval()


def positional_norm(x: Tensor) -> Tensor:
    """Zero mean and unit variance over the channels at every place of `[N, C, H, W]`."""
    return (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1e-8).sqrt()


class PublishedSPADE(SPADE):
    """SPADE with gamma and beta computed from the resized signal every time."""

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        """x `[N, C, H, W]`, signal `[N, S, h, w]` -> `[N, C, H, W]`."""
        hidden = self.mlp_shared(F.interpolate(signal, x.shape[-2:], mode="nearest"))
        result: Tensor = (1 + self.mlp_gamma(hidden)) * positional_norm(x) + self.mlp_beta(hidden)
        return result


class PublishedResnetBlock(SPADEResnetBlock):
    """The residual block with nothing cached."""

    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        """x `[N, C, H, W]`, signal `[N, S, h, w]` -> `[N, C, H, W]`."""
        d = self.conv_0(self.relu(self.norm_0(x, signal)))
        d = self.conv_1(self.relu(self.norm_1(d, signal)))
        result: Tensor = self.relu(x + d)
        return result


class PublishedBlock(AttentionBlock):
    """An attention block whose keys, queries and values are projected from maps."""

    def encode(self, kv: Tensor, key: Tensor) -> BlockExemplar:
        """With a map for the key: `with_position` of the features. Maps `[E, C, H, W]`."""
        return BlockExemplar(to_tokens(self.g(key)), to_tokens(self.g_prune(key)), to_tokens(self.h(kv)))

    def queries(self, query: Tensor) -> tuple[Tensor, Tensor]:
        """Of the same map of the frame's features. `[N, C, H, W]` -> `[N, H*W, ...]`, queries and prune queries."""
        return to_tokens(self.f(query)), to_tokens(self.f_prune(query))

    def fuse(self, x: Tensor, attended: Attention, condition: Tensor) -> Tensor:
        """The frame's features `[N, C, H, W]` with what was fetched, where the confidence is high."""
        size = x.shape[-2:]
        doubt = 1 - to_map(attended.confidence, *size)
        mixed = to_map(attended.attended, *size) + doubt * self.spade(x, condition) + x
        result: Tensor = self.res_block(positional_norm(mixed))
        return result


class PublishedGenerator(Generator):
    """Called as `Generator`, with the same parameters, on pictures of one size."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        published = {
            SPADE: PublishedSPADE,
            SPADEResnetBlock: PublishedResnetBlock,
            AttentionBlock: PublishedBlock,
        }
        for module in self.modules():
            module.__class__ = published.get(type(module), type(module))

    def forward(self, condition: Tensor, exemplar: Tensor, exemplar_condition: Tensor) -> Tensor:
        """condition, exemplar and exemplar_condition `[N, ., H, W]` -> image `[N, 3, H, W]` in -1..1."""
        return self.forward_with_attention(condition, exemplar, exemplar_condition)[0]

    def forward_with_attention(
        self,
        condition: Tensor,
        exemplar: Tensor,
        exemplar_condition: Tensor,
        warp_picture: Tensor | None = None,
        warp_mask: str = "kept",
    ) -> tuple[Tensor, list[Attention]]:
        """The image, and every block's attention, coarsest first; see `Generator.render_with_attention`."""
        signal = torch.cat([exemplar, exemplar_condition], 1)
        levels, exemplar_levels = self.encoder_q(condition), self.encoder_kv(signal)
        positions = self.position_codes(*condition.shape[-2:])
        q, kv = levels[4], exemplar_levels[4]
        attentions: list[Attention] = []
        fused: Tensor | None = None
        for scale in SCALES:
            if scale < 4:
                q = self._step("decoder_q", scale)(q) + levels[scale]
                kv = self._step("decoder_kv", scale)(kv) + exemplar_levels[scale]
            q = x = self.get_submodule(f"embed_q{scale}")(q, condition)
            kv = self.get_submodule(f"embed_kv{scale}")(kv, signal)
            source = None
            if warp_picture is not None:
                source = to_tokens(F.avg_pool2d(warp_picture, 2 ** (scale - 1)))
            for layer, block in enumerate(self.blocks(scale)):
                matches = attentions[-1].matches if attentions else None
                query, key = (with_position(features, positions[scale]) for features in (x, kv))
                inputs = (*block.queries(query), *block.encode(kv, key))
                attentions.append(
                    self._attended(scale, layer, inputs, matches, source, warp_mask, x.shape[-1])
                )
                x = block.fuse(x, attentions[-1], condition)
            if fused is not None:
                x = self.get_submodule("embed_q1" if scale == 1 else f"embed_{scale}")(fused + x, condition)
            if scale > 1:
                fused = self._step("decoder_", scale - 1)(x)
        return self.decoder_10(x), attentions

    def _attended(
        self,
        scale: int,
        layer: int,
        inputs: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],
        matches: Tensor | None,
        warp_source: Tensor | None,
        warp_mask: str,
        width: int,
    ) -> Attention:
        options: dict[str, Any] = {
            "top_k": self.config.top_k,
            "warp_source": warp_source,
            "warp_mask": warp_mask,
        }
        if scale == 4:
            return gathered.dense_attention(*inputs, temperature=inputs[0].shape[-1] ** 0.5, **options)
        assert matches is not None
        attend = gathered.inner_scale_attention if layer else gathered.inter_scale_attention
        return attend(*inputs, matches, width=width, temperature=self.config.smooth, **options)
