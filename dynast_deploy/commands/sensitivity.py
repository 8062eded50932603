"""`dynast sensitivity`: which layers suffer from eight bits."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.commands import calibration_options as options
from dynast_deploy.commands import pose_options
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Method
from dynast_deploy.runtime.options import ChannelOrder, Fit


def sensitivity(
    model: options.Model,
    data: options.Data = None,
    exemplar: options.Exemplars = None,
    poses: options.Poses = None,
    exemplar_poses: options.ExemplarPoses = None,
    parts: options.Parts = None,
    exemplar_parts: options.ExemplarParts = None,
    pose_model: pose_options.PoseModel = None,
    pose_channels: pose_options.PoseChannels = ChannelOrder.RGB,
    pose_score: pose_options.PoseScore = None,
    fit: options.FitOption = Fit.PAD,
    frames: options.Frames = 50,
    method: Annotated[Method, typer.Option(help="How ranges follow from values.")] = Method.MSE,
    logits: Annotated[bool, typer.Option("--logits", help="Queries and keys of the attention too.")] = False,
    only: Annotated[str | None, typer.Option(help="Rank these layers alone, by regular expression.")] = None,
    fp8: Annotated[bool, typer.Option("--fp8", help="FP8 (E4M3) instead of INT8.")] = False,
    top: Annotated[int, typer.Option(min=1, help="Rows to print.")] = 20,
    json: Annotated[Path | None, typer.Option(help="Write the whole ranking to this file.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw it into this picture (needs matplotlib).")] = None,
) -> None:
    """Quantize every layer alone and rank the layers by what that does to the picture."""
    if data is None:
        raise DynastError(
            "name what to measure on: --data VIDEO, a folder, arrays (.npz) or a shipped source"
        )

    from dynast_deploy.calib.report import run_sensitivity
    from dynast_deploy.formats.precision import Format
    from dynast_deploy.frames.read_frames import FrameRequest

    request = FrameRequest(
        data,
        frames,
        exemplar or (),
        poses=poses,
        exemplar_poses=exemplar_poses or (),
        parts=parts,
        exemplar_parts=exemplar_parts or (),
        pose_model=pose_model,
        pose_channels=pose_channels,
        pose_score=pose_score,
        fit=fit,
    )
    number_format = Format.FP8 if fp8 else Format.INT8
    run_sensitivity(model, request, method, number_format, logits, only, top, json, plot)
