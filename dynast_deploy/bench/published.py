"""The published formulation in eager PyTorch: what the engine's speed and memory are compared with.

The network of `dynast_deploy.generator` with its arithmetic arranged as the published code arranges it: exemplar and
frame go through the cascade together and nothing is kept between frames, sparse layers gather the keys and values of
their candidates into tensors, weights are spectrally normalised in every call, and both fusions of scale 1 compute
their modulation.
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention import Attention, dense_attention
from dynast_deploy.bench import gathered
from dynast_deploy.checkpoint import generator_state, load_state, read_checkpoint
from dynast_deploy.config import SCALES, GeneratorConfig
from dynast_deploy.generator import AttentionBlock, Generator, to_map
from dynast_deploy.layers import SPADE


def load_published(
    path: str | os.PathLike[str], top_k: int | None = None, smooth: float | None = None
) -> PublishedGenerator:
    """As `dynast_deploy.load_generator`."""
    state, config = generator_state(read_checkpoint(path), str(path))
    given = {"top_k": top_k, "smooth": smooth}
    options = {name: value for name, value in given.items() if value is not None}
    if config is None:
        config = GeneratorConfig.from_state_dict(state, source=str(path), **options)  # type: ignore[arg-type]
    generator = PublishedGenerator(config)
    load_state(generator, state, str(path))
    return generator.eval()


def positional_norm(x: Tensor) -> Tensor:
    return (x - x.mean(1, keepdim=True)) / (x.var(1, keepdim=True) + 1e-8).sqrt()


class PublishedSPADE(SPADE):
    def forward(self, x: Tensor, signal: Tensor) -> Tensor:
        hidden = self.mlp_shared(F.interpolate(signal, x.shape[-2:], mode="nearest"))
        return (1 + self.mlp_gamma(hidden)) * positional_norm(x) + self.mlp_beta(hidden)


class PublishedBlock(AttentionBlock):
    def fuse(self, x: Tensor, attended: Attention, condition: Tensor) -> Tensor:
        size = x.shape[-2:]
        doubt = 1 - to_map(attended.confidence, *size)
        mixed = to_map(attended.attended, *size) + doubt * self.spade(x, condition) + x
        return self.res_block(positional_norm(mixed))


class PublishedGenerator(Generator):
    """Called as `Generator`, with the same parameters, on pictures of one size."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__(config)
        published = {SPADE: PublishedSPADE, AttentionBlock: PublishedBlock}
        for module in self.modules():
            module.__class__ = published.get(type(module), type(module))

    def forward(self, condition: Tensor, exemplar: Tensor, exemplar_condition: Tensor) -> Tensor:
        signal = torch.cat([exemplar, exemplar_condition], 1)
        levels, exemplar_levels = self.encoder_q(condition), self.encoder_kv(signal)
        positions = self.position_codes(*condition.shape[-2:])
        q, kv = levels[4], exemplar_levels[4]
        matches: Tensor | None = None
        fused: Tensor | None = None
        for scale in SCALES:
            if scale < 4:
                q = self._step("decoder_q", scale)(q) + levels[scale]
                kv = self._step("decoder_kv", scale)(kv) + exemplar_levels[scale]
            q = x = self.get_submodule(f"embed_q{scale}")(q, condition)
            kv = self.get_submodule(f"embed_kv{scale}")(kv, signal)
            for layer, block in enumerate(self.blocks(scale)):
                found = self._attended(scale, layer, block, x, kv, positions[scale], matches)
                x, matches = block.fuse(x, found, condition), found.matches
            if fused is not None:
                x = self.get_submodule("embed_q1" if scale == 1 else f"embed_{scale}")(fused + x, condition)
            if scale > 1:
                fused = self._step("decoder_", scale - 1)(x)
        return self.decoder_10(x)

    def _attended(
        self,
        scale: int,
        layer: int,
        block: AttentionBlock,
        x: Tensor,
        kv: Tensor,
        pos: Tensor,
        matches: Tensor | None,
    ) -> Attention:
        inputs, top_k = (*block.queries(x, pos), *block.encode(kv, pos)), self.config.top_k
        if scale == 4:
            return dense_attention(*inputs, top_k=top_k, temperature=inputs[0].shape[-1] ** 0.5)
        assert matches is not None
        attend = gathered.inner_scale_attention if layer else gathered.inter_scale_attention
        return attend(*inputs, matches, width=x.shape[-1], top_k=top_k, temperature=self.config.smooth)
