"""What a training run is made of: generator, data, rates, schedule, objective, output. Needs no PyTorch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.errors import DynastError
from dynast_deploy.objective.config import ObjectiveConfig

SMALLEST_SIZE = 32
"""Pixels: the coarsest map has 4x4 keys then, so that every query finds its matches."""


class TrainingPrecision(StrEnum):
    """What convolutions compute in; weights, their averages and every loss are float32."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"


class LengthUnit(StrEnum):
    """What the length of a run counts: updates, or passes through the listed samples."""

    STEPS = "steps"
    EPOCHS = "epochs"


class Decay(StrEnum):
    """How rates fall at the end."""

    COSINE = "cosine"
    LINEAR = "linear"


def _positive(name: str, value: float) -> None:
    if not 0 < value < float("inf"):
        raise DynastError(f"{name} is {value}; it must be positive")


def _at_most(name: str, value: float, most: int) -> None:
    if value > most:
        raise DynastError(f"{name} is {value}; no more than {most:,} are taken")


def _not_negative(name: str, value: float) -> None:
    if not 0 <= value < float("inf"):
        raise DynastError(f"{name} is {value}; it must not be negative")


@dataclass(frozen=True)
class DataConfig:
    """source: a shipped source's name or a folder; empty for the shipped one of the task.

    batch: samples in a step, of all processes together. workers: processes that prepare samples, in each process
    that trains; 0 prepares them there.
    """

    source: str = ""
    batch: int = 4
    workers: int = 1

    def __post_init__(self) -> None:
        _positive("data.batch", self.batch)
        _not_negative("data.workers", self.workers)
        _at_most("data.batch", self.batch, 65_536)
        _at_most("data.workers", self.workers, 1024)


@dataclass(frozen=True)
class OptimiserConfig:
    """Adam, with rates of their own for generator and discriminator (Heusel et al., NeurIPS 2017: TTUR).

    learning_rate: times `generator_rate` and `discriminator_rate` it is the highest rate of either.
    epsilon: gradients well below it move weights little: with Adam's usual 1e-8, rounding alone can make whole steps.
    gradient_limit: longest gradient of either network, longer ones are shortened to it; 0 for none.
    average: decay of the moving average of the weights; 0 for none.
    revive: whether a run that starts from a checkpoint first gives new weights to units that never fire (`dormant`).
    """

    learning_rate: float = 1e-4
    generator_rate: float = 0.5
    discriminator_rate: float = 2.0
    beta1: float = 0.0
    beta2: float = 0.9
    epsilon: float = 1e-6
    gradient_limit: float = 5.0
    average: float = 0.998
    precision: TrainingPrecision = TrainingPrecision.FP32
    revive: bool = False

    def __post_init__(self) -> None:
        for name in ("learning_rate", "generator_rate", "discriminator_rate", "epsilon"):
            _positive(f"optimiser.{name}", getattr(self, name))
        _not_negative("optimiser.gradient_limit", self.gradient_limit)
        for name in ("beta1", "beta2", "average"):
            if not 0 <= getattr(self, name) < 1:
                raise DynastError(
                    f"optimiser.{name} is {getattr(self, name)}; it must be at least 0 and below 1"
                )


@dataclass(frozen=True)
class ScheduleConfig:
    """Rates rise linearly over the first `warmup` steps, and over the last `decay_length` fall to `final_rate` of
    their highest. `length` and `decay_length` count what `unit` says."""

    unit: LengthUnit = LengthUnit.STEPS
    length: int = 10_000
    warmup: int = 100
    decay: Decay = Decay.COSINE
    decay_length: int = 10_000
    final_rate: float = 0.02

    def __post_init__(self) -> None:
        _positive("schedule.length", self.length)
        _not_negative("schedule.warmup", self.warmup)
        _not_negative("schedule.decay_length", self.decay_length)
        if not 0 <= self.final_rate <= 1:
            raise DynastError(f"schedule.final_rate is {self.final_rate}; it must lie in 0..1")


@dataclass(frozen=True)
class OutputConfig:
    """Steps between two log rows, two pictures, two saves, and two saves that later ones leave alone; 0 for none."""

    log_every: int = 50
    pictures_every: int = 500
    save_every: int = 500
    keep_every: int = 0

    def __post_init__(self) -> None:
        _positive("output.log_every", self.log_every)
        for name in ("pictures_every", "save_every", "keep_every"):
            _not_negative(f"output.{name}", getattr(self, name))


@dataclass(frozen=True)
class TrainingConfig:
    """A whole run.

    seed: of first weights and of everything random in the data.
    vgg_weights: file with the weights of VGG19, in either layout of `load_vgg`; empty for none, and the terms that
    need it are off.

    Raises:
        DynastError: Naming the setting whose value cannot be meant.
    """

    task: Task
    generator: GeneratorConfig
    objective: ObjectiveConfig
    seed: int = 0
    vgg_weights: str = ""
    data: DataConfig = DataConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    output: OutputConfig = OutputConfig()

    def __post_init__(self) -> None:
        _not_negative("seed", self.seed)
        _at_most("seed", self.seed, 2**63 - 1)
        if self.generator.crop_size < SMALLEST_SIZE:
            raise DynastError(
                f"generator.crop_size is {self.generator.crop_size}; training needs {SMALLEST_SIZE} or more"
            )
        if self.generator.semantic_nc != self.task.semantic_nc:
            raise DynastError(
                f"generator.semantic_nc is {self.generator.semantic_nc}; conditions of the task {self.task} have "
                f"{self.task.semantic_nc} channels"
            )

    def to_dict(self) -> dict[str, Any]:
        """Nested dictionaries of plain values."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain
