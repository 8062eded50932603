"""The first training loop: reconstruction and warping on marionette pairs, on one machine."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dynast_deploy.checkpoint import generator_state, load_state, read_checkpoint, save_generator
from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator
from dynast_deploy.layers import use_native
from dynast_deploy.training.losses import reconstruction_loss, warp_loss
from dynast_deploy.training.pairs import MarionettePairs, Pair

SMALLEST_SIZE = 32
"""Pixels: the coarsest map has 4x4 keys then, so that every query finds its matches."""

SAVE_EVERY = 500
"""Steps."""


@dataclass(frozen=True)
class TrainingConfig:
    """Weights of the terms, the schedule, and where the run begins.

    The learning rate rises linearly over `warmup` steps and falls along a cosine to `final_rate` of itself at `steps`.
    `size` is the side of the square pictures in pixels. Raises DynastError for a size that the network cannot have and
    for counts and rates that are not positive.
    """

    size: int = 128
    batch: int = 4
    steps: int = 10_000
    learning_rate: float = 5e-4
    final_rate: float = 0.02
    warmup: int = 100
    ema: float = 0.998
    reconstruction: float = 1.0
    warp: float = 1.0
    surface: float = 1.0
    gradient_limit: float = 5.0
    seed: int = 0
    workers: int = 1

    def __post_init__(self) -> None:
        for name in ("batch", "steps", "learning_rate", "gradient_limit"):
            if not getattr(self, name) > 0:
                raise DynastError(f"training: {name} is {getattr(self, name)}; it must be positive")
        if self.size % 8 or self.size < SMALLEST_SIZE:
            raise DynastError(
                f"training: size {self.size} must be a multiple of 8, {SMALLEST_SIZE} or larger"
            )


def train(
    generator_config: GeneratorConfig, config: TrainingConfig, out: Path, start_from: Path | None = None
) -> Path:
    """Train, write `out/generator.pth` (averaged weights) and `out/log.jsonl`; returns the checkpoint's path.

    Weights start from the checkpoint `start_from`, whatever picture size that was trained at, else at random. Raises
    DynastError if that does not fit, if `out` cannot be written to, and if the loss diverges; a checkpoint that is in
    `out` then stays.
    """
    if generator_config.semantic_nc != Task.POSE.semantic_nc:
        raise DynastError(
            f"training: the pairs show poses, {Task.POSE.semantic_nc} channels, and the generator takes conditions of "
            f"{generator_config.semantic_nc}"
        )
    torch.manual_seed(config.seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DynastError(f"{out}: the folder cannot be made ({error.strerror})") from None
    generator = Generator(generator_config)
    if start_from is not None:
        load_weights(generator, start_from)
    average = copy.deepcopy(generator).eval()
    use_fast_attention(generator)
    optimiser = torch.optim.Adam(generator.parameters(), config.learning_rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, config))
    batches = iter(pair_batches(config))
    generator.train()
    path = out / "generator.pth"
    with (out / "log.jsonl").open("a") as file:
        file.write(json.dumps({"generator": generator_config.to_dict(), "training": asdict(config)}) + "\n")
        log = Log(file)
        for step in range(1, config.steps + 1):
            terms = losses(generator, next(batches))
            loss = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
            optimiser.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(generator.parameters(), config.gradient_limit)
            if not (loss.isfinite() and norm.isfinite()):
                kept = f"; {path} stays as it was" if path.exists() else ""
                raise DynastError(
                    f"training diverged at step {step} (loss or gradient is not finite); lower the learning rate{kept}"
                )
            optimiser.step()
            schedule.step()
            update_average(average, generator, min(config.ema, step / (step + 10)))
            log.add(terms)
            if step % 50 == 0 or step == config.steps:
                log.write(step)
            if step % SAVE_EVERY == 0 or step == config.steps:
                save_generator(average, path, task=Task.POSE.value, step=step, training=asdict(config))
    return path


def load_weights(generator: Generator, checkpoint: Path) -> None:
    """Copy the weights of a checkpoint of the same widths, its position code resized to this generator's pictures."""
    state, _ = generator_state(read_checkpoint(checkpoint), str(checkpoint))
    code = state.get("pos_embed")
    if code is not None and code.ndim == 4:
        state["pos_embed"] = torch.nn.functional.interpolate(
            code, generator.pos_embed.shape[-2:], mode="bilinear", align_corners=True
        )
    load_state(generator, state, str(checkpoint))


def pair_batches(config: TrainingConfig) -> DataLoader[Pair]:
    """Endless batches of training pairs, stacked by name."""
    return DataLoader(
        MarionettePairs(config.size, config.seed),
        config.batch,
        num_workers=config.workers,
        prefetch_factor=8 if config.workers else None,
    )


class Log:
    """Means of the terms since the last row, as lines of JSON to a file and to standard output."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._started = file, time.monotonic()
        self._sums: dict[str, float] = {}
        self._counted = 0

    def add(self, terms: dict[str, Tensor]) -> None:
        """One step's terms, scalars."""
        self._sums = {name: self._sums.get(name, 0.0) + float(term.detach()) for name, term in terms.items()}
        self._counted += 1

    def write(self, step: int) -> None:
        row = {"step": step, "seconds": round(time.monotonic() - self._started, 1)}
        row |= {name: round(total / self._counted, 5) for name, total in self._sums.items()}
        line = json.dumps(row)
        print(line, flush=True)
        self._file.write(line + "\n")
        self._file.flush()
        self._sums, self._counted = {}, 0


def losses(generator: Generator, pair: Pair) -> dict[str, Tensor]:
    """Every term of the objective, by its name in `TrainingConfig`."""
    exemplar = generator.encode_exemplar(pair["exemplar"], pair["exemplar_condition"])
    source = torch.cat([pair["exemplar"], pair["exemplar_surface"]], 1)
    image, attentions = generator.render_with_attention(exemplar, pair["condition"], source)
    return {
        "reconstruction": reconstruction_loss(image, pair["target"]),
        "warp": warp_loss(attentions, pair["target"]),
        "surface": warp_loss(attentions, pair["target_surface"], first=3),
    }


def rate(step: int, config: TrainingConfig) -> float:
    """The learning rate at a step, as a share of `learning_rate`."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    progress = min(1.0, (step - config.warmup) / max(1, config.steps - config.warmup))
    return config.final_rate + (1 - config.final_rate) * (1 + math.cos(math.pi * progress)) / 2


@torch.no_grad()
def update_average(average: Generator, generator: Generator, decay: float) -> None:
    """Exponential moving average of the parameters; buffers (running statistics, spectral vectors) are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(generator.parameters()), 1 - decay)
    for mean, buffer in zip(average.buffers(), generator.buffers(), strict=True):
        mean.copy_(buffer)


def use_fast_attention(generator: Generator) -> None:
    """Native attention and layers where their library is there; the reference else."""
    from dynast_deploy.plugins import torch_ops

    if torch_ops.available():
        generator.sparse_attention = torch_ops  # type: ignore[assignment]
        use_native(generator)
