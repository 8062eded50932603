"""`dynast verify`: whether an engine draws what the file it was made from draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.commands import calibration_options as options
from dynast_deploy.commands import pose_options
from dynast_deploy.commands.show import show
from dynast_deploy.runtime.options import ChannelOrder, Fit


def verify(
    engine: Annotated[Path, typer.Option(help="What is to be verified: .plan, or a converted .onnx.")] = Path(
        "model.plan"
    ),
    onnx: Annotated[Path, typer.Option(help="The float32 file it was made from.")] = Path("model.onnx"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint that was exported; runs on PyTorch.")
    ] = None,
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
    frames: Annotated[int, typer.Option(min=1, help="Frames to compare.")] = 8,
    stages: Annotated[
        bool, typer.Option("--stages", help="Compare the encoded exemplars' tensors and the matches too.")
    ] = False,
    target_psnr: Annotated[
        float | None,
        typer.Option(help="dB that every frame must have.", show_default="45; 35 for INT8 and FP8"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Render the same frames with an engine, ONNX Runtime and PyTorch, and say how much they differ.

    Ends with status 1 where the engine fails.
    """
    from dynast_deploy.frames.read_frames import FrameRequest as DataRequest
    from dynast_deploy.verification.verify import VerificationRequest
    from dynast_deploy.verification.verify import verify as run_verification

    wanted = DataRequest(
        data or "",
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
    document = run_verification(VerificationRequest(engine, onnx, wanted, checkpoint, target_psnr, stages))
    show(document, as_json)
    if not document["verdict"].startswith("passed"):
        raise typer.Exit(1)
