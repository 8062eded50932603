"""`dynast verify`: whether an engine draws what the file it was made from draws."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.commands.option_groups import expand_groups
from dynast_deploy.commands.show import show
from dynast_deploy.frames.request import FrameRequest


@expand_groups
def verify(
    engine: Annotated[Path, typer.Option(help="What is to be verified: .plan, or a converted .onnx.")] = Path(
        "model.plan"
    ),
    onnx: Annotated[Path, typer.Option(help="The float32 file it was made from.")] = Path("model.onnx"),
    checkpoint: Annotated[
        Path | None, typer.Option(help="The checkpoint that was exported; runs on PyTorch.")
    ] = None,
    frames: FrameRequest = FrameRequest(frames=8),
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

    Raises:
        DynastError: Where files or data cannot be read or do not fit together.
        Exit: With status 1, where the engine fails.
    """
    from dynast_deploy.verification.verify import VerificationRequest
    from dynast_deploy.verification.verify import verify as run_verification

    document = run_verification(VerificationRequest(engine, onnx, frames, checkpoint, target_psnr, stages))
    show(document, as_json)
    if not document["verdict"].startswith("passed"):
        raise typer.Exit(1)
