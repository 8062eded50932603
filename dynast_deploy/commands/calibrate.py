"""`dynast calibrate`: an engine in eight bits, from the user's own frames."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.commands.option_groups import FloatModel, expand_groups
from dynast_deploy.errors import DynastError
from dynast_deploy.files.names import named_beside
from dynast_deploy.formats.precision import Method
from dynast_deploy.frames.request import FrameRequest


@expand_groups
def calibrate(
    model: FloatModel,
    request: FrameRequest = FrameRequest(frames=200),
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="File to write.", show_default="MODEL.int8.onnx, .fp8, .fp16"),
    ] = None,
    method: Annotated[Method, typer.Option(help="How ranges follow from values.")] = Method.MSE,
    keep_float: Annotated[
        list[str] | None, typer.Option(help="Layers that stay in float, by regular expression.")
    ] = None,
    target_psnr: Annotated[
        float | None,
        typer.Option(
            help="Leave the worst layers in float until the picture is this near to float32, in dB."
        ),
    ] = None,
    fp8: Annotated[bool, typer.Option("--fp8", help="FP8 (E4M3), for Ada, Hopper and Blackwell.")] = False,
    fp16: Annotated[
        bool,
        typer.Option(
            "--fp16", help="No eight bits: float16, and float32 where the data overflow or vanish in it."
        ),
    ] = False,
) -> None:
    """Measure ranges on your own frames and write the engine with eight-bit layers (Q/DQ nodes).

    A calibration file for `dynast build-engine --int8 --calibration` is written next to it.

    Raises:
        DynastError: Where options exclude each other, or the model or the data cannot be used.
    """
    if not request.data:
        raise DynastError(
            "name what to calibrate on: --data VIDEO, a folder, arrays (.npz) or a shipped source"
        )
    if fp8 and fp16:
        raise DynastError("--fp8 and --fp16 exclude each other")
    if target_psnr is not None and not 0 < target_psnr < math.inf:
        raise DynastError(f"--target-psnr is {target_psnr}; it must be a positive number of decibels")
    if fp16 and (target_psnr is not None or keep_float):
        raise DynastError("--fp16 has no layers to choose; leave --target-psnr and --keep-float out")

    from dynast_deploy.formats.precision import Precision

    if fp16:
        from dynast_deploy.calib.to_float16 import write_float16

        write_float16(model, request, output or named_beside(model, ".fp16.onnx"))
        return
    from dynast_deploy.calib.quantize_model import write_eight_bits

    number_format = Precision.FP8 if fp8 else Precision.INT8
    output = output or named_beside(model, f".{number_format}.onnx")
    write_eight_bits(model, request, output, method, number_format, keep_float or (), target_psnr)
