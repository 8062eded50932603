"""Which samples of a batch keep a loss from being a number."""

from __future__ import annotations

import torch
from torch import Tensor

from dynast_deploy.training.networks import Batch, Networks
from dynast_deploy.training.update import autocast


def guilty_samples(networks: Networks, batch: Batch) -> list[str]:
    """Names of the samples of all processes whose tensors are not finite, else of those whose loss alone is not."""
    names = [name for found in networks.processes.gathered(_not_finite(batch)) for name in found]
    if names:
        return names
    alone = [
        name for place, name in enumerate(batch["name"]) if not _loss_is_finite(networks, _one(batch, place))
    ]
    return [name for found in networks.processes.gathered(alone) for name in found]


def _not_finite(batch: Batch) -> list[str]:
    tensors = [value for value in batch.values() if isinstance(value, Tensor)]
    return [
        name
        for place, name in enumerate(batch["name"])
        if not all(tensor[place].isfinite().all() for tensor in tensors)
    ]


def _one(batch: Batch, place: int) -> Batch:
    """A batch of the sample at `place` alone."""
    return {name: value[place : place + 1] for name, value in batch.items()}


@torch.no_grad()
def _loss_is_finite(networks: Networks, batch: Batch) -> bool:
    """By the averaged weights, which the step that failed has not touched."""
    with autocast(networks):
        _, terms = networks.objective.generator_terms(networks.average, networks.discriminator, batch)
    return bool(networks.objective.total(terms).isfinite())
