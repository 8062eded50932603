"""A batch of noise for the objective, and networks small enough to train on it in a test."""

from __future__ import annotations

from typing import Any

import torch

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator

SIZE = 48


def noise_batch(
    semantic_nc: int = 20, same_identity: tuple[bool, ...] = (True, False, True)
) -> dict[str, Any]:
    random = torch.Generator().manual_seed(4)
    count = len(same_identity)

    def noise(channels: int) -> torch.Tensor:
        return torch.rand(count, channels, SIZE, SIZE, generator=random)

    return {
        "condition": noise(semantic_nc),
        "exemplar_condition": noise(semantic_nc),
        "target": noise(3) * 2 - 1,
        "exemplar": noise(3) * 2 - 1,
        "same_identity": torch.tensor(same_identity),
        "correspondence": torch.cat([noise(2), noise(1).round()], 1),
        "name": [f"pair {number}" for number in range(count)],
    }


def small_generator(semantic_nc: int = 20, smooth: float = 0.1) -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(
        semantic_nc, crop_size=SIZE, ngf=8, max_multi=2, n_layers=1, pos_dim=2, prune_dim=2, smooth=smooth
    )
    return Generator(config)


def part_of(batch: dict[str, Any], part: slice) -> dict[str, Any]:
    """Some of the batch's pairs."""
    return {name: entry[part] for name, entry in batch.items()}
