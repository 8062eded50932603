"""`dynast train`: train a generator."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError

CONFIG = "config.toml"


def train(
    out: Annotated[
        Path, typer.Option(help="Folder for checkpoints, configuration and log; made if missing.")
    ],
    task: Annotated[
        Task | None, typer.Option(help="What conditions show; chooses the defaults of all settings.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Folder with a data set; else pictures are drawn on the fly.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file of settings, such as OUT/config.toml of a run."),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="A.B=VALUE", help="One setting; may be given many times."),
    ] = None,
    start_from: Annotated[
        Path | None, typer.Option(metavar="CKPT", help="Checkpoint whose weights are the first ones.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in OUT.")] = False,
) -> None:
    """Train a generator. Ctrl-C, SIGTERM, SIGHUP and SIGQUIT stop after a whole step; --resume goes on from there.

    Settings, data, several GPUs: docs/training.md.

    Raises:
        DynastError: Where settings, data or a checkpoint cannot be used, or PyTorch is missing.
        Exit: With the status of the signal that stopped the run.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise DynastError("training needs PyTorch: pip install 'dynast-deploy[train]'") from None
    from dynast_deploy.training.configure import configure
    from dynast_deploy.training.loop import TrainingStopped
    from dynast_deploy.training.loop import train as run_training

    if resume and (config or start_from):
        raise DynastError("--resume takes settings and weights from OUT; leave --config and --start-from out")
    if resume and not (out / CONFIG).is_file():
        raise DynastError(f"{out}: holds no {CONFIG}, so there is no run to resume; leave --resume out")
    if not resume:
        _check_run_files(out, config, start_from)
    changes = [*(change or []), *([f"data.source={data}"] if data is not None else [])]
    files = [out / CONFIG] if resume else [config] if config else []
    # Every process of torchrun comes here; only rank 0 prints.
    prints = os.environ.get("RANK", "0") == "0"
    try:
        path = run_training(configure(task, files, changes, start_from), out, start_from, resume)
    except TrainingStopped as stopped:
        if prints:
            print(stopped, file=sys.stderr)
        raise typer.Exit(128 + stopped.signal) from None
    if prints:
        print(path)


def _check_run_files(out: Path, config: Path | None, start_from: Path | None) -> None:
    """Check that the run replaces no file that it begins with.

    Raises:
        DynastError: Where it would.
    """
    from dynast_deploy.files.written_files import check_not_read
    from dynast_deploy.training.run_files import GENERATOR, TRAINING

    written = {"--out": [out / name for name in (CONFIG, GENERATOR, TRAINING, "log.jsonl")]}
    check_not_read(written, {"file of --config": config, "checkpoint of --start-from": start_from})
