"""Learning rates over a run, and the moving average of the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from dynast_deploy.errors import DynastError
from dynast_deploy.training.config import Decay, LengthUnit, ScheduleConfig

EARLY_STEPS = 10
"""The average forgets faster at first: at step t its decay is at most t / (t + EARLY_STEPS)."""


@dataclass(frozen=True)
class Schedule:
    """A schedule in steps: its length, and how many at the start and at the end have lower rates."""

    steps: int
    warmup: int
    decay_steps: int
    decay: Decay
    final_rate: float

    @classmethod
    def of(cls, config: ScheduleConfig, entries: int | None, batch: int) -> Schedule:
        """`config` for a source that lists `entries` samples (None: it makes them up) and `batch` samples in a step.

        Raises:
            DynastError: For a length in epochs where the source has none.
        """
        a_unit = 1
        if config.unit is LengthUnit.EPOCHS:
            if entries is None:
                raise DynastError(
                    "schedule.unit is epochs, but this data is made up without end; set schedule.unit=steps"
                )
            a_unit = math.ceil(entries / batch)
        length, decay = config.length * a_unit, config.decay_length * a_unit
        return cls(length, config.warmup, decay, config.decay, config.final_rate)

    def rate(self, step: int) -> float:
        """The share of the highest rate at a step, counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        start = max(self.warmup, self.steps - self.decay_steps)
        progress = min(1.0, max(0, step - start) / max(1, self.steps - start))
        if self.decay is Decay.COSINE:
            progress = (1 - math.cos(math.pi * progress)) / 2
        return 1 - (1 - self.final_rate) * progress


@torch.no_grad()
def update_average(average: nn.Module, module: nn.Module, decay: float, step: int) -> None:
    """Exponential moving average of the parameters after `step` updates; buffers (running statistics, spectral
    vectors) are copied."""
    decay = min(decay, step / (step + EARLY_STEPS)) if decay else 0.0
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - decay)
    for mean, buffer in zip(average.buffers(), module.buffers(), strict=True):
        mean.copy_(buffer)
