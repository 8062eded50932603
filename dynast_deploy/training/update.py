"""One step: losses of a batch, gradients, new weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dynast_deploy.errors import DynastError
from dynast_deploy.training.config import TrainingPrecision
from dynast_deploy.training.networks import Batch, Networks, Terms
from dynast_deploy.training.schedule import update_average

SMALLEST_SCALE = 1.0
"""Of an fp16 loss: with less the gradients of a sound network would have been finite."""


class NotFinite(Exception):
    """A loss or gradient of this step is not finite, and no weight was changed."""


def update(networks: Networks, batch: Batch, rate: float) -> Terms:
    """Compute the terms of `batch` and change the weights of every network, rates being a share `rate` of the highest.

    Generator and discriminator learn from the same generated pictures, and neither changes before both gradients are
    there. Terms are this process's means.

    Raises:
        NotFinite: Where a loss or gradient is not finite: in all processes or in none, with no weight changed.
        DynastError: Where gradients overflow fp16 whatever the scale of the loss.
    """
    config = networks.config.optimiser
    losses: list[Tensor] = []
    terms: Terms
    with autocast(networks):
        image, loss, terms = networks.generator_loss(batch)
    _backward(networks, "generator", loss, losses)
    if networks.discriminator_loss is not None:
        with autocast(networks):
            loss, more = networks.discriminator_loss(image.detach(), batch)
        _backward(networks, "discriminator", loss, losses)
        terms |= more

    finite = torch.stack([loss.detach().isfinite().all() for loss in losses]).all()
    for name, optimiser in networks.optimisers.items():
        networks.scaler.unscale_(optimiser)
        norm = _limit_gradient(getattr(networks, name), config.gradient_limit)
        if not networks.scaler.is_enabled():
            finite &= norm.isfinite()
    if networks.processes.total((~finite).float()).item():
        raise NotFinite
    networks.set_rates(rate)
    for optimiser in networks.optimisers.values():
        networks.scaler.step(optimiser)
    networks.scaler.update()
    if networks.scaler.is_enabled() and networks.scaler.get_scale() < SMALLEST_SCALE:
        raise DynastError(
            f"gradients overflow fp16 at step {networks.step + 1}; set optimiser.precision=bf16 or fp32"
        )
    networks.step += 1
    update_average(networks.average, networks.generator, config.average, networks.step)
    return terms


def autocast(networks: Networks) -> torch.autocast:
    """The precision of the configuration for what is computed within."""
    precision = networks.config.optimiser.precision
    return torch.autocast(
        networks.processes.device.type,
        torch.float16 if precision is TrainingPrecision.FP16 else torch.bfloat16,
        enabled=precision is not TrainingPrecision.FP32,
    )


def _backward(networks: Networks, name: str, loss: Tensor, losses: list[Tensor]) -> None:
    networks.optimisers[name].zero_grad()
    torch.autograd.backward(networks.scaler.scale(loss))
    losses.append(loss)


def _limit_gradient(network: nn.Module, limit: float) -> Tensor:
    """Shorten the gradient to `limit` (0 for none); its length before that."""
    return torch.nn.utils.clip_grad_norm_(network.parameters(), limit or math.inf)
