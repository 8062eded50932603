"""One training step of the generator: this package's, and the published formulation's, on the same random pair.

The objective is the part that both share: L1 of the picture and of every block's warp against the pooled target, warps
as the published code weighs them. Discriminator and feature network are the same on either side and left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.bench.published import PublishedGenerator
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import to_map

WARP_MASK = "published"


@dataclass(frozen=True)
class Batch:
    """Pictures `[N, 3, H, W]` in -1..1 and conditions `[N, S, H, W]` in 0..1."""

    condition: Tensor
    exemplar: Tensor
    exemplar_condition: Tensor
    target: Tensor

    @property
    def inputs(self) -> tuple[Tensor, Tensor, Tensor]:
        """What the generator takes, in its order. Conditions `[N, S, H, W]`, the exemplar `[N, 3, H, W]`."""
        return self.condition, self.exemplar, self.exemplar_condition

    def to(self, dtype: torch.dtype) -> Batch:
        """The same in another type."""
        return Batch(*(x.to(dtype) for x in (*self.inputs, self.target)))


def random_batch(config: GeneratorConfig, frames: int) -> Batch:
    """The same in every process."""
    generator = torch.Generator().manual_seed(0)

    def uniform(channels: int) -> Tensor:
        return torch.rand(frames, channels, config.crop_size, config.crop_size, generator=generator)

    nc = config.semantic_nc
    return Batch(uniform(nc), uniform(3) * 2 - 1, uniform(nc), uniform(3) * 2 - 1)


def step(generator: Generator, batch: Batch) -> tuple[Tensor, list[Attention]]:
    """Forward pass with warps: the image, and every block's attention. The image is `[N, 3, H, W]`.

    Raises:
        DynastError: Where the condition has other channels, or a height or width that is not a multiple of 8.
    """
    if isinstance(generator, PublishedGenerator):
        return generator.forward_with_attention(*batch.inputs, batch.exemplar, WARP_MASK)
    exemplar = generator.encode_exemplar(batch.exemplar, batch.exemplar_condition)
    return generator.render_with_attention(exemplar, batch.condition, batch.exemplar, WARP_MASK)


def objective(image: Tensor, attentions: list[Attention], batch: Batch) -> Tensor:
    """A scalar."""
    loss = F.l1_loss(image, batch.target)
    height, width = batch.target.shape[-2:]
    for attention in attentions:
        assert attention.warped is not None
        factor = round((height * width / attention.warped.shape[1]) ** 0.5)
        warped = to_map(attention.warped, height // factor, width // factor)
        loss = loss + F.l1_loss(warped, F.avg_pool2d(batch.target, factor))
    return loss


def as_published(generator: Generator) -> PublishedGenerator:
    """The published formulation with the same weights."""
    published = PublishedGenerator(generator.config).train(generator.training)
    published.load_state_dict(generator.state_dict())
    return published
