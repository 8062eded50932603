"""Training small enough for tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import torch

from dynast_deploy.config import Task
from dynast_deploy.data import Sample, SampleStream
from dynast_deploy.training.config import TrainingConfig
from dynast_deploy.training.configure import configure

TINY = (
    "generator.crop_size=32", "generator.ngf=4", "generator.max_multi=1", "generator.n_layers=1", "generator.pos_dim=2",
    "generator.prune_dim=2", "generator.smooth=0.1", "objective.discriminator_channels=4",
    "objective.discriminator_layers=2", "data.workers=0", "data.batch=2", "schedule.warmup=2", "output.log_every=1",
)  # fmt: skip


def tiny_config(*changes: str, task: Task = Task.POSE) -> TrainingConfig:
    return configure(task, [], [*TINY, *changes])


class Noise(SampleStream):
    """Random pictures by number, every third of two identities; the samples numbered in `damaged` hold a NaN.

    The sample numbered `terminates` sends SIGTERM to this process.
    """

    def __init__(
        self, task: Task = Task.POSE, size: int = 32, damaged: tuple[int, ...] = (), terminates: int = -1
    ) -> None:
        self.channels, self.size, self.damaged, self.terminates = task.semantic_nc, size, damaged, terminates

    def __getitem__(self, index: int) -> Sample:
        if index == self.terminates:
            os.kill(os.getpid(), signal.SIGTERM)
        random = torch.Generator().manual_seed(index)

        def noise(channels: int) -> torch.Tensor:
            return torch.rand(channels, self.size, self.size, generator=random)

        target = noise(3) * 2 - 1
        if index in self.damaged:
            target[0, 0, 0] = torch.nan
        return Sample(
            condition=noise(self.channels),
            target=target,
            exemplar=noise(3) * 2 - 1,
            exemplar_condition=noise(self.channels),
            same_identity=torch.tensor(index % 3 > 0),
            correspondence=torch.cat([noise(2), noise(1).round()]),
            name=f"noise {index}",
            skipped="",
            target_surface=noise(9),
            exemplar_surface=noise(9),
        )


class FewSamples(SampleStream):
    """The first samples of a stream, again and again."""

    def __init__(self, stream: SampleStream, count: int) -> None:
        self.samples = [stream[number] for number in range(count)]

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index % len(self.samples)]


def rows(out: Path) -> list[dict[str, Any]]:
    """The numbers in a run's log, without what depends on the clock."""
    import json

    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [
        {name: value for name, value in row.items() if not name.startswith("seconds")}
        for row in found
        if "step" in row
    ]
