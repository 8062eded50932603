"""`dynast train`: train a generator."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.errors import DynastError


class Data(StrEnum):
    """Where training pairs come from."""

    MARIONETTE = "marionette"


def _architecture(help_text: str, published: object) -> Any:
    """An option whose default is what the checkpoint says, if there is one."""
    return typer.Option(help=help_text, show_default=f"that of --start-from, else {published}")


def train(
    out: Annotated[Path, typer.Option(help="Folder for generator.pth and log.jsonl; made if missing.")],
    task: Annotated[Task, typer.Option(help="What conditions show; only pose so far.")] = Task.POSE,
    data: Annotated[Data, typer.Option(help="Where training pairs come from.")] = Data.MARIONETTE,
    size: Annotated[int, typer.Option(help="Side of the square pictures, in pixels.")] = 128,
    steps: Annotated[int, typer.Option(help="Updates of the weights.")] = 10_000,
    batch: Annotated[int, typer.Option(help="Pairs in a step.")] = 4,
    learning_rate: Annotated[float, typer.Option(help="At its highest.")] = 5e-4,
    seed: Annotated[int, typer.Option(help="Of first weights and pairs.")] = 0,
    start_from: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Checkpoint whose weights are the first ones.")
    ] = None,
    ngf: Annotated[int | None, _architecture("Channels at scale 1", 64)] = None,
    max_multi: Annotated[int | None, _architecture("Most channels of a scale, in ngf", 8)] = None,
    layers: Annotated[int | None, _architecture("Attention blocks in a scale", 2)] = None,
    pos_dim: Annotated[int | None, _architecture("Channels of the position code", 16)] = None,
    prune_dim: Annotated[int | None, _architecture("Length of prune vectors", 16)] = None,
    smooth: Annotated[float | None, _architecture("Softmax temperature of the fine scales", 0.01)] = None,
) -> None:
    """Train a generator on pictures that are drawn on the fly."""
    if task is not Task.POSE:
        raise DynastError(f"--task {task}: training pairs show poses only so far; leave --task out")
    try:
        import torch  # noqa: F401
    except ImportError:
        raise DynastError("training needs PyTorch: pip install 'dynast-deploy[train]'") from None
    from dynast_deploy.training.trainer import TrainingConfig
    from dynast_deploy.training.trainer import train as run_training

    given = {
        "ngf": ngf,
        "max_multi": max_multi,
        "n_layers": layers,
        "pos_dim": pos_dim,
        "prune_dim": prune_dim,
        "smooth": smooth,
    }
    architecture = generator_config(
        task, size, {name: value for name, value in given.items() if value is not None}, start_from
    )
    config = TrainingConfig(size=size, steps=steps, batch=batch, learning_rate=learning_rate, seed=seed)
    print(run_training(architecture, config, out, start_from))


def generator_config(
    task: Task, size: int, given: dict[str, Any], start_from: Path | None
) -> GeneratorConfig:
    """The checkpoint's configuration, else the published one, for pictures of `size` and with what is `given`."""
    if start_from is None:
        return GeneratorConfig(task.semantic_nc, crop_size=size, **given)
    from dynast_deploy.checkpoint import generator_state, read_checkpoint

    state, stored = generator_state(read_checkpoint(start_from), str(start_from))
    stored = stored or GeneratorConfig.from_state_dict(state, source=str(start_from))
    return replace(stored, crop_size=size, **given)
