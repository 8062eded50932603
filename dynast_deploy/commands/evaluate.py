"""`dynast evaluate`: how well a checkpoint or an engine renders held-out data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.commands.show import show
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.options import Device


def evaluate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Checkpoint (.pth) or engine (.onnx, .plan).")
    ],
    out: Annotated[
        Path, typer.Option(help="Folder for evaluation.json, page.png, real/ and fake/; made if missing.")
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help="Folder with a data set, or the name of data that ships.", show_default="the task's own"
        ),
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="What conditions show.", show_default="the model's")
    ] = None,
    samples: Annotated[int, typer.Option(help="Held-out samples to render.")] = 100,
    seed: Annotated[int, typer.Option(help="Of the samples.")] = 0,
    device: Annotated[Device, typer.Option(help="Where the model runs.")] = Device.AUTO,
    ablations: Annotated[
        bool, typer.Option(help="Render with the fine scales' attention taken away too (checkpoints only).")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Render held-out samples; compare them with the truth and with baselines, and matches with true correspondences.

    Raises:
        DynastError: Where the model or the data cannot be read, or PyTorch is missing.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise DynastError("evaluation data need PyTorch: pip install 'dynast-deploy[train]'") from None
    from dynast_deploy.evaluation.evaluate import EvaluationRequest
    from dynast_deploy.evaluation.evaluate import evaluate as run_evaluation

    request = EvaluationRequest(model, task, data, out, samples, seed, device.value, ablations)
    show(run_evaluation(request), as_json)
