"""The DynaST generator: an exemplar encoder and a frame renderer over one set of published parameters.

Liu et al., "DynaST: Dynamic Sparse Transformer for Exemplar-Guided Image Generation", ECCV 2022. What comes from
the exemplar is the same for every frame, so `encode_exemplar` runs once and `render` runs per frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dynast_deploy import attention
from dynast_deploy.attention_block import AttentionBlock, BlockExemplar, exact
from dynast_deploy.attention_interface import Attention, SparseAttention
from dynast_deploy.config import SCALES, GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.layer_ops import to_tokens
from dynast_deploy.layers import Conv3x3, FeatureGenerator, Layer, SPADEResnetBlock, Upsampler


class Exemplar(NamedTuple):
    """An encoded exemplar: a `BlockExemplar` for every attention block, coarsest first, and the picture's width."""

    blocks: list[BlockExemplar]
    width: int


def nearest(signal: Tensor, factor: int) -> Tensor:
    """`signal` `[N, C, H, W]` reduced by a whole factor to its nearest neighbours, as `F.interpolate` chooses them."""
    return signal[..., ::factor, ::factor]


class Generator(Layer):
    """Called as `generator(condition, exemplar, exemplar_condition) -> image`.

    condition `[N, S, H, W]` in 0..1, exemplar `[E, 3, H, W]` in -1..1, exemplar_condition `[E, S, H, W]`, image
    `[N, 3, H, W]` in -1..1; E is 1 or N, heights and widths are multiples of 8. `sparse_attention` is the module
    that computes the two sparse layers; the reference unless another one is assigned.
    """

    sparse_attention: SparseAttention = attention

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        nc, channels = config.semantic_nc, {scale: config.channels(scale) for scale in SCALES}
        self.pos_embed = nn.Parameter(
            torch.randn(1, config.pos_channels(4), config.crop_size // 8, config.crop_size // 8)
        )
        widths = [channels[scale] for scale in (1, 2, 3, 4)]
        self.encoder_q = FeatureGenerator(nc, widths)
        self.encoder_kv = FeatureGenerator(nc + 3, widths)
        for scale in SCALES:
            self.add_module(f"embed_q{scale}", SPADEResnetBlock(channels[scale], nc))
            self.add_module(f"embed_kv{scale}", SPADEResnetBlock(channels[scale], nc + 3))
            blocks = [AttentionBlock(config, scale) for _ in range(config.n_layers)]
            self.add_module(f"transformer_{scale}", nn.ModuleList(blocks))
            if scale in (3, 2):
                self.add_module(f"embed_{scale}", SPADEResnetBlock(channels[scale], nc))
            if scale > 1:
                step, finer = f"{scale}{scale - 1}", channels[scale - 1]
                for name in ("decoder_", "decoder_q", "decoder_kv"):
                    self.add_module(name + step, Upsampler(channels[scale], finer, slope=0.0))
                pos = config.pos_channels(scale), config.pos_channels(scale - 1)
                self.add_module(f"pos_{step}", Upsampler(*pos, slope=0.01))
        self.decoder_10 = nn.Sequential(Conv3x3(channels[1], 3), nn.Tanh())

    def forward(self, condition: Tensor, exemplar: Tensor, exemplar_condition: Tensor) -> Tensor:
        """The image `[N, 3, H, W]` in -1..1; shapes and ranges of the inputs are the class's.

        Raises:
            DynastError: Naming the input that has other channels, or a height or width that is not a multiple of 8.
        """
        return self.render(self.encode_exemplar(exemplar, exemplar_condition), condition)

    def encode_exemplar(self, exemplar: Tensor, exemplar_condition: Tensor) -> Exemplar:
        """Everything the attention blocks need of the exemplar `[E, 3, H, W]` and its condition `[E, S, H, W]`.

        Raises:
            DynastError: Naming the input that has other channels, or a height or width that is not a multiple of 8.
        """
        self._check("exemplar_condition", exemplar_condition, self.config.semantic_nc)
        self._check("exemplar", exemplar, 3)
        signals = self._at_scales(torch.cat([exemplar, exemplar_condition], 1))
        height, width = exemplar.shape[-2:]
        levels, positions = self.encoder_kv(signals[1]), self.position_codes(height, width)
        blocks: list[BlockExemplar] = []
        kv = levels[4]
        for scale in SCALES:
            if scale < 4:
                kv = self._step("decoder_kv", scale)(kv) + levels[scale]
            kv = self.get_submodule(f"embed_kv{scale}")(kv, signals[scale])
            key = self.tokens(kv, positions[scale])
            blocks += [block.encode(kv, key) for block in self.blocks(scale)]
        return Exemplar(blocks, width)

    def render(self, exemplar: Exemplar, condition: Tensor) -> Tensor:
        """`image [N, 3, H, W]` for N conditions `[N, S, H, W]` against one exemplar, or one each.

        Raises:
            DynastError: Where the condition has other channels, or a height or width that is not a multiple of 8.
        """
        return self.render_with_attention(exemplar, condition)[0]

    def render_with_attention(
        self,
        exemplar: Exemplar,
        condition: Tensor,
        warp_picture: Tensor | None = None,
        warp_mask: str = "kept",
        queries: list[tuple[Tensor, Tensor]] | None = None,
    ) -> tuple[Tensor, list[Attention]]:
        """The image, and every block's attention, coarsest first.

        With `warp_picture` `[E, 3, H, W]` every block also warps that picture, average-pooled to its scale. To a list
        `queries` every block appends its queries: query `[N, L, C]` and prune query `[N, L, P]`.

        Raises:
            DynastError: Where the condition has other channels, or a height or width that is not a multiple of 8.
        """
        self._check("condition", condition, self.config.semantic_nc)
        conditions = self._at_scales(condition)
        height, width = condition.shape[-2:]
        levels, positions = self.encoder_q(conditions[1]), self.position_codes(height, width)
        remaining = iter(exemplar.blocks)
        attentions: list[Attention] = []
        q = levels[4]
        fused: Tensor | None = None
        for scale in SCALES:
            if scale < 4:
                q = self._step("decoder_q", scale)(q) + levels[scale]
            embed = self.get_submodule(f"embed_q{scale}")
            assert isinstance(embed, SPADEResnetBlock)
            modulations = embed.modulations(conditions[scale])
            q = x = embed.modulated_by(q, modulations)
            source = None
            if warp_picture is not None:
                source = to_tokens(F.avg_pool2d(warp_picture, 2 ** (scale - 1))).contiguous()
            for layer, block in enumerate(self.blocks(scale)):
                asked = block.queries(self.tokens(x, positions[scale]))
                if queries is not None:
                    queries.append(asked)
                found = self._attend(
                    scale,
                    layer,
                    asked,
                    next(remaining),
                    attentions[-1].matches if attentions else None,
                    query_width=x.shape[-1],
                    key_width=exemplar.width // 2 ** (scale - 1),
                    warp_source=source,
                    warp_mask=warp_mask,
                )
                attentions.append(found)
                x = block.fuse(x, found, conditions[scale])
            if fused is not None and scale == 1:
                # The published code fuses scale 1 by `embed_q1`; `embed_1` of its checkpoints is never used.
                x = embed.modulated_by(fused + x, modulations)
            elif fused is not None:
                x = self.get_submodule(f"embed_{scale}")(fused + x, conditions[scale])
            if scale > 1:
                fused = self.get_submodule(f"decoder_{scale}{scale - 1}")(x)
        return self.decoder_10(x), attentions

    def _attend(
        self,
        scale: int,
        layer: int,
        queries: tuple[Tensor, Tensor],
        block: BlockExemplar,
        matches: Tensor | None,
        *,
        query_width: int,
        key_width: int,
        warp_source: Tensor | None,
        warp_mask: str,
    ) -> Attention:
        top_k = self.config.top_k
        if torch.is_autocast_enabled(queries[0].device.type):
            with exact(queries[0]):
                query, query_prune = (x.float() for x in queries)
                return self._attend(
                    scale,
                    layer,
                    (query, query_prune),
                    BlockExemplar(*(x.float() for x in block)),
                    matches,
                    query_width=query_width,
                    key_width=key_width,
                    warp_source=None if warp_source is None else warp_source.float(),
                    warp_mask=warp_mask,
                )
        if scale == 4:
            return attention.dense_attention(
                *queries,
                *block,
                top_k=top_k,
                temperature=queries[0].shape[-1] ** 0.5,
                warp_source=warp_source,
                warp_mask=warp_mask,
            )
        assert matches is not None
        sparse = self.sparse_attention
        attend = sparse.inner_scale_attention if layer else sparse.inter_scale_attention
        return attend(
            *queries,
            *block,
            matches,
            query_width=query_width,
            key_width=key_width,
            top_k=top_k,
            temperature=self.config.smooth,
            warp_source=warp_source,
            warp_mask=warp_mask,
        )

    def position_codes(self, height: int, width: int) -> dict[int, Tensor]:
        """The learnt position code at every scale, `[1, P_s, H_s, W_s]`, resized if the picture is not `crop_size`."""
        pos: Tensor = self.pos_embed
        if pos.shape[-2:] != (height // 8, width // 8):
            pos = F.interpolate(pos, (height // 8, width // 8), mode="bilinear", align_corners=True)
        codes: dict[int, Tensor] = {4: pos}
        for scale in (3, 2, 1):
            pos = codes[scale] = self._step("pos_", scale)(pos)
        return codes

    def tokens(self, x: Tensor, pos: Tensor) -> Tensor:
        """What queries and keys are projected from: `[N, C, H, W]`, `[1, P, H, W]` -> `[N, H*W, C + P]`."""
        return self.ops(x, pos).unit_tokens(x, pos)

    def blocks(self, scale: int) -> Sequence[AttentionBlock]:
        """The attention blocks of a scale, 1 to 4, in their order."""
        blocks: Sequence[AttentionBlock] = getattr(self, f"transformer_{scale}")
        return blocks

    def _step(self, name: str, scale: int) -> nn.Module:
        """The layer that carries a map from the next coarser scale to `scale`."""
        return self.get_submodule(f"{name}{scale + 1}{scale}")

    def _at_scales(self, signal: Tensor) -> dict[int, Tensor]:
        """The signal at every scale, ordered in memory once for all SPADEs that read it."""
        ops = self.ops(signal)
        return {scale: ops.ordered(nearest(signal, 2 ** (scale - 1))) for scale in SCALES}

    def _check(self, name: str, x: Tensor, channels: int) -> None:
        if x.ndim != 4 or x.shape[1] != channels or x.shape[2] % 8 or x.shape[3] % 8 or 0 in x.shape:
            raise DynastError(
                f"{name} has shape {list(x.shape)}; this generator needs [N, {channels}, H, W] with H and W "
                "multiples of 8"
            )
