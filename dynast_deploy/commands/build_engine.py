"""`python export/build_engine.py --fp16`: `model.onnx` becomes `model.plan`, for TensorRT or TensorRT-RTX."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dynast_deploy.command import run
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import FP8_FROM, Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynast_deploy.export.engine_graphs import EngineGraphs
    from dynast_deploy.export.tensorrt_build import BuildSettings
    from dynast_deploy.formats.plan import BatchSizes, Manifest
    from dynast_deploy.runtime.cuda.driver import GpuDevice

RTX_CAPABILITIES = ("8.0", "8.6", "8.9", "12.0")
"""What TensorRT-RTX builds for unless told otherwise; its plans run on later ones too."""


@dataclass(frozen=True)
class Target:
    """What the plans are for: the library, and the GPU, where one is needed."""

    library: Any
    device: GpuDevice | None


def build_engine(
    onnx: Annotated[Path, typer.Option(help="What export/to_onnx.py wrote.")] = Path("model.onnx"),
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
    """Build the engine for TensorRT out of an ONNX file. On this GPU, for this GPU, unless --rtx."""
    from dynast_deploy.calib.choose_precision import calibrations_by_precision
    from dynast_deploy.export.engine_graphs import read_engine_graphs
    from dynast_deploy.export.tensorrt_build import GIB, BuildSettings
    from dynast_deploy.files.written_files import Read, check_not_read, check_written
    from dynast_deploy.formats.plan import PlanKind, read_manifest

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
    target = _target(kind)
    chosen = _capabilities(compute_capabilities, target)
    if precision is Precision.FP8:
        check_fp8(chosen, target.device, hardware_compatible)
    settings = BuildSettings(
        kind=kind,
        batch=frames,
        workspace=None if workspace is None else int(workspace * GIB),
        optimization_level=optimization_level,
        timing_cache=_timing_cache(timing_cache, target),
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


@dataclass(frozen=True)
class Builder:
    """Builds the plans of one ONNX file in any precision; `calibrations` are those of the eight-bit ones."""

    target: Target
    settings: BuildSettings
    source: Path
    calibrations: Mapping[Precision, Path]

    def write(self, output: Path, precision: Precision, graphs: EngineGraphs | None = None) -> None:
        """Build both halves into `output`; `graphs` are those of the precision, where they were read before."""
        from dynast_deploy.export.engine_graphs import read_engine_graphs
        from dynast_deploy.export.tensorrt_build import build_plan
        from dynast_deploy.formats.plan import write_plan_file

        calibration = self.calibrations.get(precision)
        if graphs is None:
            graphs = read_engine_graphs(self.source, precision, self.settings.batch, calibration)
        encoder, renderer = (
            build_plan(self.target.library, graph, what, self.settings)
            for graph, what in ((graphs.encoder, "exemplar encoder"), (graphs.renderer, "frame renderer"))
        )
        manifest = describe(graphs, self.target, self.settings, precision, self.source, calibration)
        write_plan_file(output, manifest, encoder, renderer)


def build_fastest(builder: Builder, output: Path, target_psnr: float) -> Precision:
    """Build every precision that may meet the target, time each on this GPU, and keep the fastest as `output`."""
    from dynast_deploy.calib import choose_precision as auto
    from dynast_deploy.files.scratch_folder import scratch_folder

    assert builder.target.device is not None
    capability = builder.target.device.compute_capability
    major, minor = (int(part) for part in capability.split("."))
    quality = auto.quality_by_precision(builder.calibrations, builder.source)
    trials = auto.considered(builder.calibrations, quality, target_psnr, (major, minor))
    # In the folder of the output, so that the fastest needs only another name.
    with scratch_folder(output.parent, output.name) as folder:

        def frame_ms(precision: Precision) -> float:
            plan = folder / f"{precision}.plan"
            builder.write(plan, precision)
            return auto.time_frame(plan)

        trials = auto.tried(trials, frame_ms)
        chosen = auto.fastest(trials, target_psnr)
        auto.print_trials(trials, chosen)
        (folder / f"{chosen.precision}.plan").replace(output)
    return chosen.precision


def describe(
    graphs: EngineGraphs,
    target: Target,
    settings: BuildSettings,
    precision: Precision,
    source: Path,
    calibration: Path | None,
) -> Manifest:
    """The manifest of plans built from `graphs`."""
    from dynast_deploy.export.engine_graphs import tensor_specs
    from dynast_deploy.formats.plan import Manifest, PlanKind
    from dynast_deploy.plugins.tensorrt_plugin import PLUGIN_VERSION
    from dynast_deploy.version import __version__

    info, device = graphs.info, target.device
    is_rtx = settings.kind is PlanKind.TENSORRT_RTX
    if is_rtx:
        capabilities = settings.compute_capabilities or rtx_capabilities(precision)
    elif settings.hardware_compatible:
        capabilities = ("8.0",)
    else:
        assert device is not None
        capabilities = (device.compute_capability,)
    return Manifest(
        kind=settings.kind,
        library_version=target.library.__version__,
        gpu=device.name if device is not None else None,
        compute_capabilities=capabilities,
        precision=precision.value,
        task=info.task,
        channels=info.channels,
        height=info.height,
        width=info.width,
        batch=settings.batch,
        version_compatible=settings.version_compatible,
        hardware_compatible=settings.hardware_compatible or (is_rtx and not settings.compute_capabilities),
        encoder_inputs=tensor_specs(graphs.encoder.graph.input),
        encoder_outputs=tensor_specs(graphs.encoder.graph.output),
        renderer_inputs=tensor_specs(graphs.renderer.graph.input),
        renderer_outputs=tensor_specs(graphs.renderer.graph.output),
        cut_tensors=tuple(info.cut_tensors),
        source=str(source),
        source_sha256=graphs.source_sha256,
        plugin_version=None if is_rtx else PLUGIN_VERSION,
        producer_version=__version__,
        calibration=None if calibration is None else str(calibration),
    )


def rtx_capabilities(precision: Precision) -> tuple[str, ...]:
    """Where plans for TensorRT-RTX run that were built for no GPU in particular; on later ones too."""
    if precision is not Precision.FP8:
        return RTX_CAPABILITIES
    return tuple(one for one in RTX_CAPABILITIES if _numbers(one) >= FP8_FROM)


def check_fp8(chosen: tuple[str, ...], device: GpuDevice | None, hardware_compatible: bool) -> None:
    """DynastError for a GPU without eight-bit floats among those that are built for."""
    if hardware_compatible:
        raise DynastError(
            "--fp8: --hardware-compatible plans are for 8.0 and later, and FP8 needs 8.9; leave one out"
        )
    asked = chosen or ((device.compute_capability,) if device is not None else ())
    if lacking := [one for one in asked if _numbers(one) < FP8_FROM]:
        raise DynastError(
            f"--fp8: compute capability {', '.join(lacking)} has no eight-bit floats, which begin with 8.9 (Ada); "
            "build with --int8 or --fp16 for it"
        )


def _numbers(capability: str) -> tuple[int, ...]:
    return tuple(int(part) for part in capability.split("."))


def summary(manifest: Manifest) -> str:
    """What a plan runs on, in a few words."""
    capabilities = ", ".join(manifest.compute_capabilities) + " and later" * manifest.hardware_compatible
    return f"{manifest.kind.library} {manifest.library_version}, compute capability {capabilities}"


def parse_batch(text: str) -> BatchSizes:
    """`"4"`, or `"1,4,16"`: fewest frames at once, those it is tuned for, most."""
    from dynast_deploy.formats.plan import BatchSizes

    try:
        numbers = [int(part) for part in text.split(",")]
        sizes = BatchSizes(*(numbers * 3 if len(numbers) == 1 else numbers))
        if len(numbers) not in (1, 3) or not 1 <= sizes.min <= sizes.opt <= sizes.max:
            raise ValueError
    except (ValueError, TypeError):
        raise DynastError(f"--batch {text}: write a number, or MIN,OPT,MAX such as 1,4,16") from None
    return sizes


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
    """What can be seen to be wrong before anything is read."""
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


def _target(kind: Any) -> Target:
    """The library, and for TensorRT the GPU and the attention plugin, registered."""
    from dynast_deploy.export.tensorrt_build import builder_library
    from dynast_deploy.formats.plan import PlanKind
    from dynast_deploy.plugins import gpu_kernels
    from dynast_deploy.plugins.tensorrt_plugin import register_plugins
    from dynast_deploy.runtime.cuda.driver import first_device

    library = builder_library(kind)
    if kind is PlanKind.TENSORRT_RTX:
        return Target(library, None)
    device = first_device()
    if device is None:
        raise DynastError(
            "no NVIDIA GPU that can be used: TensorRT builds on the GPU that a plan is for; build there, or with "
            "--rtx, which needs none"
        )
    # A missing compiler is told here in one line, and not from within TensorRT.
    gpu_kernels.compile_ptx(gpu_kernels.kernel_name("inter", "half", max(gpu_kernels.TEAMS)))
    register_plugins()
    return Target(library, device)


def _timing_cache(path: Path | None, target: Target) -> Path | None:
    from dynast_deploy.export.timing_cache import default_path

    if target.device is None:
        return None
    device = target.device
    return path or default_path(device.name, device.compute_capability, target.library.__version__)


def _capabilities(text: str | None, target: Target) -> tuple[str, ...]:
    if text is None:
        return ()
    known = {
        f"{name[2:-1]}.{name[-1]}"
        for name in dir(target.library.ComputeCapability)
        if name.startswith("SM") and name[2:].isdigit()
    }
    chosen = tuple(text.split(","))
    if unknown := [one for one in chosen if one not in known]:
        raise DynastError(
            f"--compute-capabilities {unknown[0]}: TensorRT-RTX {target.library.__version__} builds for "
            f"{', '.join(sorted(known, key=float))}"
        )
    return chosen


def main() -> None:
    run(build_engine)
