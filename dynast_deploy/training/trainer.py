"""The first training loop: reconstruction and warping on marionette pairs, on one machine."""

from __future__ import annotations

import copy
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dynast_deploy.checkpoint import generator_state, load_state, read_checkpoint, save_generator
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator
from dynast_deploy.training.losses import reconstruction_loss, warp_loss
from dynast_deploy.training.pairs import MarionettePairs, Pair


@dataclass(frozen=True)
class TrainingConfig:
    """Weights of the terms, the schedule, and where the run begins.

    The learning rate rises linearly over `warmup` steps and falls along a cosine to `final_rate` of itself at `steps`.
    """

    size: int = 128
    batch: int = 4
    steps: int = 10_000
    learning_rate: float = 5e-4
    final_rate: float = 0.02
    warmup: int = 200
    ema: float = 0.998
    reconstruction: float = 1.0
    warp: float = 1.0
    surface: float = 1.0
    gradient_limit: float = 5.0
    seed: int = 0
    workers: int = 1


def train(
    generator_config: GeneratorConfig, config: TrainingConfig, out: Path, start_from: Path | None = None
) -> Path:
    """Train, write `out/generator.pth` (averaged weights) and `out/log.jsonl`; returns the checkpoint's path.

    Weights start from the checkpoint `start_from`, whatever picture size that was trained at, else at random.
    """
    torch.manual_seed(config.seed)
    out.mkdir(parents=True, exist_ok=True)
    generator = Generator(generator_config)
    if start_from is not None:
        state, _ = generator_state(read_checkpoint(start_from), str(start_from))
        state["pos_embed"] = torch.nn.functional.interpolate(
            state["pos_embed"], generator.pos_embed.shape[-2:], mode="bilinear", align_corners=True
        )
        load_state(generator, state, str(start_from))
    average = copy.deepcopy(generator).eval()
    use_fast_attention(generator)
    optimiser = torch.optim.Adam(generator.parameters(), config.learning_rate, betas=(0.9, 0.99), fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate(step, config))
    batches = iter(
        DataLoader(
            MarionettePairs(config.size, config.seed),
            config.batch,
            num_workers=config.workers,
            prefetch_factor=8 if config.workers else None,
        )
    )
    generator.train()
    started, sums, counted = time.monotonic(), {}, 0
    path = out / "generator.pth"
    with (out / "log.jsonl").open("a") as log:
        log.write(json.dumps({"generator": generator_config.to_dict(), "training": asdict(config)}) + "\n")
        for step in range(1, config.steps + 1):
            terms = losses(generator, next(batches))
            loss = sum(getattr(config, name) * term for name, term in terms.items())
            assert isinstance(loss, Tensor)
            if not loss.isfinite():
                raise DynastError(f"the loss is no longer finite at step {step}; lower learning_rate")
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(generator.parameters(), config.gradient_limit)
            optimiser.step()
            schedule.step()
            update_average(average, generator, min(config.ema, step / (step + 10)))
            sums = {name: sums.get(name, 0.0) + float(term.detach()) for name, term in terms.items()}
            counted += 1
            if step % 50 == 0 or step == config.steps:
                row = {"step": step, "seconds": round(time.monotonic() - started, 1)}
                row |= {name: round(total / counted, 5) for name, total in sums.items()}
                print(json.dumps(row), flush=True)
                log.write(json.dumps(row) + "\n")
                log.flush()
                sums, counted = {}, 0
            if step % 500 == 0 or step == config.steps:
                save_generator(average, path, task="pose", step=step, training=asdict(config))
    return path


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
    """Native attention where its library is there; the reference else."""
    from dynast_deploy.plugins import torch_ops

    if torch_ops.available():
        generator.sparse_attention = torch_ops  # type: ignore[assignment]
