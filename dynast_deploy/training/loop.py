"""The training loop: from a configuration to a trained generator, in one process or several."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from dynast_deploy.data import SampleStream, stream_batches
from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator
from dynast_deploy.objective.objective import Objective
from dynast_deploy.objective.vgg import load_vgg
from dynast_deploy.stop_request import StopRequest
from dynast_deploy.tasks.training_data import training_data
from dynast_deploy.training.config import TrainingConfig
from dynast_deploy.training.diagnosis import guilty_samples
from dynast_deploy.training.dormant import revive
from dynast_deploy.training.networks import Batch, Networks, missing_kernels
from dynast_deploy.training.processes import Processes, processes
from dynast_deploy.training.run_files import GENERATOR, TRAINING, restore_run, save_run
from dynast_deploy.training.run_log import RunLog
from dynast_deploy.training.running_means import Means
from dynast_deploy.training.sample_grid import sample_grid
from dynast_deploy.training.schedule import Schedule
from dynast_deploy.training.settings import write_settings
from dynast_deploy.training.update import NotFinite, update
from dynast_deploy.training.warm_start import load_weights


class TrainingStopped(Exception):
    """A signal ended the run after a whole step, whose state is saved.

    signal: its number. The message says how to go on.
    """

    def __init__(self, number: int, step: int, out: Path) -> None:
        name = signal.Signals(number).name if number else "another process"
        super().__init__(f"stopped by {name} after step {step}; go on with --out {out} --resume")
        self.signal = number or signal.SIGTERM


def train(config: TrainingConfig, out: Path, start_from: Path | None = None, resume: bool = False) -> Path:
    """Train, and write into the folder `out`; returns the path of `generator.pth` there.

    Weights start from the checkpoint `start_from`, whatever picture size that was trained at, else at random; with
    `resume` the run in `out` goes on as if it had not been stopped.

    Raises:
        DynastError: Where data, checkpoints or folder do not serve, and where the loss is not finite; the checkpoints
            of the last save then stay as they were.
        TrainingStopped: After SIGINT or SIGTERM, when the state is saved.
    """
    with ExitStack() as stack:
        group = stack.enter_context(processes())
        _make_folder(out, resume)
        share = group.share(config.data.batch)
        stream = training_data(
            config.task, config.data.source or None, config.generator.crop_size, config.seed
        )
        schedule = Schedule.of(config.schedule, stream.entries, config.data.batch)
        networks = _networks(config, group, start_from, stream)
        means = Means(restore_run(networks, out) if resume else {}, group)
        log = None
        if group.main:
            write_settings(config, out / "config.toml")
            log = stack.enter_context(
                RunLog(out, {"training": config.to_dict()}, networks.step, schedule.steps)
            )
            for line in (*networks.objective.inactive(), *missing_kernels(group.device)):
                log.say(line)
        # Before the first step there is nothing to save, and a signal ends the run at once.
        stop = stack.enter_context(StopRequest())
        run = _Run(config, group, stop, networks, means, log, schedule, out)
        run.to_the_end(stream, share)
    return out / GENERATOR


def _make_folder(out: Path, resume: bool) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DynastError(f"{out}: the folder cannot be made ({error.strerror})") from None
    if not resume and (out / TRAINING).exists():
        raise DynastError(f"{out}: holds a run already; go on with it by --resume, or name another folder")


def _networks(
    config: TrainingConfig, group: Processes, start_from: Path | None, stream: SampleStream
) -> Networks:
    vgg = load_vgg(config.vgg_weights).to(group.device) if config.vgg_weights else None
    torch.manual_seed(config.seed)
    generator = Generator(config.generator)
    if start_from is not None:
        load_weights(generator, start_from)
        if config.optimiser.revive:
            revive(generator, default_collate([stream[i] for i in range(config.data.batch)]))
    return Networks(config, Objective(config.objective, vgg), generator, group)


@dataclass
class _Run:
    """A run under way."""

    config: TrainingConfig
    group: Processes
    stop: StopRequest
    networks: Networks
    means: Means
    log: RunLog | None
    schedule: Schedule
    out: Path

    def to_the_end(self, stream: SampleStream, share: int) -> None:
        """Step by step; the data starts where the last step ended.

        Raises:
            DynastError: Where the loss is not finite.
            TrainingStopped: After SIGINT or SIGTERM, when the state is saved.
        """
        first = self.networks.step
        batches = iter(
            stream_batches(
                stream, share, self.config.data.workers, first, rank=self.group.rank, world=self.group.world
            )
        )
        while self.networks.step < self.schedule.steps:
            batch = self._on_device(next(batches))
            rate = self.schedule.rate(self.networks.step)
            try:
                self.means.add(update(self.networks, batch, rate))
            except NotFinite:
                raise self._divergence(guilty_samples(self.networks, batch)) from None
            self._report(batch, rate)
            stopped = bool(
                self.group.total(torch.tensor(float(self.stop.signal > 0), device=self.group.device))
            )
            self._save(stopped)
            if stopped and self.networks.step < self.schedule.steps:
                raise TrainingStopped(self.stop.signal, self.networks.step, self.out)

    def _on_device(self, batch: Mapping[str, Any]) -> Batch:
        for line in filter(None, batch["skipped"]):
            print(line, file=sys.stderr, flush=True)
        return {
            name: value.to(self.group.device, non_blocking=True) if isinstance(value, Tensor) else value
            for name, value in batch.items()
        }

    def _report(self, batch: Batch, rate: float) -> None:
        step, every = self.networks.step, self.config.output
        if step % every.log_every == 0 or step == self.schedule.steps:
            row = self.means.taken() | {"rate": rate}
            if self.log is not None:
                self.log.row(step, row)
        if self.log is not None:
            self.log.advance(step)
            if every.pictures_every and step % every.pictures_every == 0:
                self.log.picture(step, sample_grid(self.networks.average, batch))

    def _save(self, stopped: bool) -> None:
        step, every = self.networks.step, self.config.output
        keep = bool(every.keep_every) and step % every.keep_every == 0
        due = bool(every.save_every) and step % every.save_every == 0
        if keep or due or stopped or step == self.schedule.steps:
            save_run(self.networks, self.out, self.means.contents(), keep)

    def _divergence(self, names: list[str]) -> DynastError:
        cause = f"the cause is in {'; '.join(names)}" if names else "no sample alone is the cause"
        advice = "fix or remove that data" if names else "lower optimiser.learning_rate"
        path = self.out / TRAINING
        kept = f"; {path} stays as it was" if path.exists() else ""
        return DynastError(
            f"training diverged at step {self.networks.step + 1} (loss or gradient is not finite): {cause}; "
            f"{advice}{kept}"
        )
