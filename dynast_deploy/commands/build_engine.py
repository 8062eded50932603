"""`dynast build-engine --fp16`: `model.onnx` becomes `model.plan`, for TensorRT or TensorRT-RTX."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynast_deploy.command import run
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Precision

if TYPE_CHECKING:
    from dynast_deploy.formats.manifest import BatchSizes


def build_engine(
    onnx: Annotated[Path, typer.Option(help="What dynast export wrote.")] = Path("model.onnx"),
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write.", show_default="NAME.plan here")
    ] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="float16; the default.")] = False,
    int8: Annotated[
        bool, typer.Option("--int8", help="Eight bits: a calibrated file, or with --calibration.")
    ] = False,
    fp8: Annotated[bool, typer.Option("--fp8", help="Eight-bit floats: Ada, Hopper, Blackwell.")] = False,
    fp32: Annotated[bool, typer.Option("--fp32", help="float32, without TF32.")] = False,
    calibration: Annotated[
        list[Path] | None,
        typer.Option(help="What dynast calibrate wrote; with --auto one for each precision."),
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Time FP16, INT8 and FP8 on this GPU and take the fastest.")
    ] = False,
    target_psnr: Annotated[
        float, typer.Option(help="With --auto: the picture's least PSNR against float32, in dB.")
    ] = 35.0,
    batch: Annotated[str, typer.Option(help="Frames at once: a number, or MIN,OPT,MAX.")] = "1",
    workspace: Annotated[
        float | None, typer.Option(help="GPU memory for scratch, GiB.", show_default="all")
    ] = None,
    timing_cache: Annotated[
        Path | None, typer.Option(help="Timing cache.", show_default="one per GPU in your cache folder")
    ] = None,
    version_compatible: Annotated[
        bool, typer.Option("--version-compatible", help="Runs on later TensorRT too, slower.")
    ] = False,
    hardware_compatible: Annotated[
        bool, typer.Option("--hardware-compatible", help="Runs on Ampere and later GPUs, slower.")
    ] = False,
    optimization_level: Annotated[
        int | None, typer.Option(min=0, max=5, help="How long to search.", show_default="TensorRT's own")
    ] = None,
    rtx: Annotated[
        bool, typer.Option("--rtx", help="For TensorRT-RTX: needs no GPU, runs on RTX cards.")
    ] = False,
    compute_capabilities: Annotated[
        str | None,
        typer.Option(help="With --rtx: GPUs to build for, as 7.5,8.9.", show_default="8.0 and later"),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show all that the builder says.")] = False,
) -> None:
    """Build the engine for TensorRT out of an ONNX file. On this GPU, for this GPU, unless --rtx.

    Raises:
        DynastError: Where options exclude each other, a file cannot be read or written, the library or the GPU is
            missing, or the builder refuses the network.
    """
    from dynast_deploy.calib.choose_precision import calibrations_by_precision
    from dynast_deploy.commands.build_target import (
        check_capability,
        chosen_capabilities,
        find_target,
        timing_cache_file,
    )
    from dynast_deploy.commands.plan_builder import Builder, build_fastest, summary
    from dynast_deploy.export.engine_graphs import read_engine_graphs
    from dynast_deploy.export.tensorrt_build import GIB, BuildSettings
    from dynast_deploy.files.written_files import Read, check_not_read, check_written
    from dynast_deploy.formats.manifest import PlanKind
    from dynast_deploy.formats.plan import read_manifest

    output = output or Path(onnx.with_suffix(".plan").name)
    precision = _precision(fp16=fp16, int8=int8, fp8=fp8, fp32=fp32)
    calibrations = calibration or []
    if auto and (fp16 or int8 or fp8 or fp32 or rtx):
        raise DynastError(
            "--auto chooses the precision on this GPU; leave --fp16, --int8, --fp8, --fp32 and --rtx out"
        )
    if not auto and len(calibrations) > 1:
        raise DynastError("--calibration: give one file (several go with --auto)")
    frames = parse_batch(batch)
    kind = PlanKind.TENSORRT_RTX if rtx else PlanKind.TENSORRT
    _check_options(output, rtx, compute_capabilities, version_compatible, hardware_compatible, timing_cache)
    if workspace is not None and workspace <= 0:
        raise DynastError(f"--workspace {workspace}: give a number of GiB above 0")
    read: Read = {"ONNX file being read": onnx, "calibration being read": calibrations}
    check_written({"-o": output}, read)
    check_not_read({"-o": output, "--timing-cache": timing_cache}, read)
    # What is wrong with the files shows before a library is loaded.
    graphs = None
    if auto:
        by_precision = calibrations_by_precision(calibrations, onnx)
    else:
        by_precision = dict.fromkeys([precision], calibrations[0]) if calibrations else {}
        graphs = read_engine_graphs(onnx, precision, frames, by_precision.get(precision))
    target = find_target(kind)
    chosen = chosen_capabilities(compute_capabilities, target)
    check_capability(precision, chosen, target.device, hardware_compatible)
    settings = BuildSettings(
        kind=kind,
        batch=frames,
        workspace=None if workspace is None else int(workspace * GIB),
        optimization_level=optimization_level,
        timing_cache=timing_cache_file(timing_cache, target),
        version_compatible=version_compatible,
        hardware_compatible=hardware_compatible,
        compute_capabilities=chosen,
    )
    if verbose:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("dynast_deploy").setLevel(logging.DEBUG)
    builder = Builder(target, settings, onnx, by_precision)
    if graphs is not None:
        builder.write(output, precision, graphs)
    else:
        precision = build_fastest(builder, output, target_psnr)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {precision}, {summary(read_manifest(output))}")


def parse_batch(text: str) -> BatchSizes:
    """How many frames at once: `"4"`, or `"1,4,16"` for fewest, those it is tuned for, and most.

    Raises:
        DynastError: Where `text` is neither.
    """
    from dynast_deploy.formats.manifest import BatchSizes

    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= 3
    if len(numbers) != 3 or numbers[0] < 1 or numbers != sorted(numbers):
        raise DynastError(f"--batch {text}: write a number, or MIN,OPT,MAX such as 1,4,16")
    return BatchSizes(*numbers)


def _precision(**chosen: bool) -> Precision:
    names = [name for name, is_chosen in chosen.items() if is_chosen]
    if len(names) > 1:
        raise DynastError(f"--{' --'.join(names)}: choose one of them")
    return Precision(names[0]) if names else Precision.FP16


def _check_options(
    output: Path,
    rtx: bool,
    compute_capabilities: str | None,
    version_compatible: bool,
    hardware_compatible: bool,
    timing_cache: Path | None,
) -> None:
    """Check what can be found wrong before anything is read.

    Raises:
        DynastError: Where options exclude each other, or the output cannot be written.
    """
    if output.suffix != ".plan":
        raise DynastError(f"-o {output}: engines are written as .plan")
    if not os.path.isdir(output.parent):
        raise DynastError(f"{output}: the folder {output.parent} does not exist")
    if compute_capabilities and not rtx:
        raise DynastError("--compute-capabilities goes with --rtx: TensorRT builds for the GPU that is there")
    if rtx and (version_compatible or hardware_compatible or timing_cache):
        raise DynastError(
            "--version-compatible, --hardware-compatible and --timing-cache are TensorRT's: leave them out with --rtx, "
            "whose plans run on the version that built them and on all RTX cards"
        )


def main() -> None:
    """Run `build_engine` as a program of its own."""
    run(build_engine)
