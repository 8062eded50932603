"""`dynast sensitivity`: which layers suffer from eight bits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.commands.option_groups import FloatModel, expand_groups
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Method
from dynast_deploy.frames.request import FrameRequest


@expand_groups
def sensitivity(
    model: FloatModel,
    request: FrameRequest = FrameRequest(frames=50),
    method: Annotated[Method, typer.Option(help="How ranges follow from values.")] = Method.MSE,
    logits: Annotated[bool, typer.Option("--logits", help="Queries and keys of the attention too.")] = False,
    only: Annotated[str | None, typer.Option(help="Rank these layers alone, by regular expression.")] = None,
    fp8: Annotated[bool, typer.Option("--fp8", help="FP8 (E4M3) instead of INT8.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 20,
    json: Annotated[Path | None, typer.Option(help="Write the whole ranking to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this picture (needs matplotlib).")] = None,
) -> None:
    """Quantize every layer alone and rank the layers by what that does to the picture.

    Raises:
        DynastError: Where the model or the data cannot be used, or a file cannot be written.
    """
    if not request.data:
        raise DynastError(
            "name what to measure on: --data VIDEO, a folder, arrays (.npz) or a shipped source"
        )

    from dynast_deploy.calib.sensitivity_report import run_sensitivity
    from dynast_deploy.formats.precision import Precision

    number_format = Precision.FP8 if fp8 else Precision.INT8
    run_sensitivity(model, request, method, number_format, logits, only, top, json, plot)
