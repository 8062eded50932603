"""Which samples of a batch keep a loss from being a number."""

from __future__ import annotations

import torch
from torch import Tensor

from dynast_deploy.training.networks import Batch, Networks
from dynast_deploy.training.update import autocast


def guilty_samples(networks: Networks, batch: Batch) -> list[str]:
    """Names of the samples of all processes whose tensors are not finite, else of those whose loss or gradient is not
    when each is alone. None where that holds for all of them: then the weights are at fault."""
    names = _of_all(networks, _not_finite(batch))
    if names:
        return names
    alone = [name for place, name in enumerate(batch["name"]) if not _is_finite(networks, _one(batch, place))]
    found, together = _of_all(networks, alone), _of_all(networks, batch["name"])
    return found if len(found) < len(together) else []


def _of_all(networks: Networks, names: list[str]) -> list[str]:
    return [name for found in networks.processes.gathered(names) for name in found]


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


def _is_finite(networks: Networks, batch: Batch) -> bool:
    """Whether loss and gradient are, by the averaged weights, whose statistics the step that failed has not touched."""
    average = networks.average
    with autocast(networks):
        _, terms = networks.objective.generator_terms(average, networks.discriminator, batch)
    loss = networks.objective.total(terms)
    torch.autograd.backward(loss)
    norm = torch.nn.utils.clip_grad_norm_(average.parameters(), 1.0)
    average.zero_grad()
    return bool(loss.isfinite() and norm.isfinite())
