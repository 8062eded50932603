"""The networks of a run with their optimisers, and what it takes to go on with them later."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dynast_deploy.generator import Generator
from dynast_deploy.native_generator import use_native
from dynast_deploy.objective.discriminator import Discriminator
from dynast_deploy.objective.objective import Objective
from dynast_deploy.plugins.pyt import attention
from dynast_deploy.training.config import TrainingConfig, TrainingPrecision
from dynast_deploy.training.processes import Processes
from dynast_deploy.training.untrained_biases import freeze_idle_biases

Batch = Mapping[str, Any]
Terms = dict[str, Tensor]


class GeneratorLoss(nn.Module):
    """The generator and its weighted loss as one module, so that gradients of processes can be averaged."""

    def __init__(
        self, generator: Generator, discriminator: Discriminator | None, objective: Objective
    ) -> None:
        super().__init__()
        self.generator = generator
        self._judge = (discriminator,)  # in a tuple, for its parameters are not this module's
        self.objective = objective

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Terms]:
        """Generated images, the loss, and its terms without weights or gradient.

        Images are `[N, 3, H, W]` in -1..1, the others are scalars.

        Raises:
            DynastError: Where the condition has other channels, or a height or width that is not a multiple of 8.
        """
        image, terms = self.objective.generator_terms(self.generator, self._judge[0], batch)
        # A share of nothing from every parameter: without it other processes would wait for those that no term reaches.
        loss = self.objective.total(terms) + 0 * image.sum()
        return image, loss, {name: term.detach() for name, term in terms.items()}


class DiscriminatorLoss(nn.Module):
    """The discriminator and its loss as one module."""

    def __init__(self, discriminator: Discriminator, objective: Objective) -> None:
        super().__init__()
        self.discriminator = discriminator
        self.objective = objective

    def forward(self, image: Tensor, batch: Batch) -> tuple[Tensor, Terms]:
        """The loss and its terms without gradient. `image` is `[N, 3, H, W]` in -1..1, the others are scalars."""
        terms = self.objective.discriminator_terms(self.discriminator, image, batch)
        return self.objective.total(terms), {name: term.detach() for name, term in terms.items()}


class Networks:
    """Generator, its average, and the discriminator where a term needs one, on the device of this process.

    Construct it with the random seed set; networks are equal in all processes once they are joined.
    """

    def __init__(
        self, config: TrainingConfig, objective: Objective, generator: Generator, processes: Processes
    ) -> None:
        self.config, self.processes, self.objective = config, processes, objective
        self.average = copy.deepcopy(generator).to(processes.device).eval()
        use_native(generator, processes.device)
        freeze_idle_biases(generator)
        self.generator = generator.train()
        self.discriminator = objective.make_discriminator(config.generator.semantic_nc)
        self.generator_loss = processes.joined(GeneratorLoss(self.generator, self.discriminator, objective))
        self.optimisers = {"generator": self._adam(self.generator, config.optimiser.generator_rate)}
        self.discriminator_loss: nn.Module | None = None
        if self.discriminator is not None:
            freeze_idle_biases(self.discriminator)
            self.discriminator_loss = processes.joined(DiscriminatorLoss(self.discriminator, objective))
            rate = config.optimiser.discriminator_rate
            self.optimisers["discriminator"] = self._adam(self.discriminator, rate)
        fp16 = config.optimiser.precision is TrainingPrecision.FP16
        self.scaler = torch.amp.GradScaler(processes.device.type, enabled=fp16)
        self.step = 0

    def _adam(self, module: nn.Module, rate: float) -> torch.optim.Adam:
        optimiser = self.config.optimiser
        betas = (optimiser.beta1, optimiser.beta2)
        highest = optimiser.learning_rate * rate
        trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
        adam = torch.optim.Adam(trained, highest, betas, optimiser.epsilon, fused=True)
        for group in adam.param_groups:
            group["highest_rate"] = highest
        return adam

    def set_rates(self, share: float) -> None:
        """Every learning rate to a share of its highest."""
        for optimiser in self.optimisers.values():
            for group in optimiser.param_groups:
                group["lr"] = share * group["highest_rate"]

    def contents(self) -> dict[str, Any]:
        """Everything to go on from: plain values and tensors. Every process has to ask, the main one keeps it."""
        found = {
            "generator": self.generator.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
            "scaler": self.scaler.state_dict(),
            "random": self.processes.gathered(_random_state(self.processes.device)),
        }
        if self.discriminator is not None:
            found["discriminator"] = self.discriminator.state_dict()
        return found

    def restore(self, contents: Mapping[str, Any], average: Mapping[str, Tensor], step: int) -> None:
        """Continue from what `contents` gave; rates are those of the configuration."""
        self.average.load_state_dict(average)
        self.generator.load_state_dict(contents["generator"])
        if self.discriminator is not None:
            self.discriminator.load_state_dict(contents["discriminator"])
        for name, optimiser in self.optimisers.items():
            settings = [
                {key: group[key] for key in ("highest_rate", "betas", "eps")}
                for group in optimiser.param_groups
            ]
            optimiser.load_state_dict(contents["optimisers"][name])
            for group, configured in zip(optimiser.param_groups, settings, strict=True):
                group |= configured
        self.scaler.load_state_dict(contents["scaler"])
        if self.processes.rank < len(contents["random"]):
            _set_random_state(contents["random"][self.processes.rank], self.processes.device)
        self.step = step


def missing_kernels(device: torch.device) -> list[str]:
    """One line where native kernels could serve the device and are not there, or older than their sources; or none."""
    reason = attention.can_run(device)
    if reason is None or device.type not in ("cpu", "cuda"):
        return []
    return [f"attention and layers run in plain PyTorch, several times slower: {reason}"]


def _random_state(device: torch.device) -> list[Tensor]:
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _set_random_state(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda" and len(states) > 1:
        torch.cuda.set_rng_state(states[1], device)
