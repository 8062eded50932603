"""Builds the plans of one ONNX file: in one precision, or in every one that keeps the picture to find the fastest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dynast_deploy.commands.build_target import BuildTarget, rtx_capabilities
from dynast_deploy.formats.precision import Precision

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dynast_deploy.export.engine_graphs import EngineGraphs
    from dynast_deploy.export.tensorrt_build import BuildSettings
    from dynast_deploy.formats.manifest import Manifest


@dataclass(frozen=True)
class Builder:
    """Builds the plans of one ONNX file in any precision; `calibrations` are those of the eight-bit ones."""

    target: BuildTarget
    settings: BuildSettings
    source: Path
    calibrations: Mapping[Precision, Path]

    def write(self, output: Path, precision: Precision, graphs: EngineGraphs | None = None) -> None:
        """Build both halves into `output`; `graphs` are those of the precision, where they were read before.

        Raises:
            DynastError: Where a graph cannot be read or built, or the plan cannot be written.
        """
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
    """Build every precision that may meet the target, time each on this GPU, and keep the fastest as `output`.

    Raises:
        DynastError: Where a plan cannot be built, run or written, or none meets the target.
    """
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
    target: BuildTarget,
    settings: BuildSettings,
    precision: Precision,
    source: Path,
    calibration: Path | None,
) -> Manifest:
    """The manifest of plans built from `graphs`."""
    from dynast_deploy.export.engine_graphs import tensor_specs
    from dynast_deploy.formats.manifest import Manifest, PlanKind
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
        precision=precision,
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


def summary(manifest: Manifest) -> str:
    """What a plan runs on, in a few words."""
    capabilities = ", ".join(manifest.compute_capabilities) + " and later" * manifest.hardware_compatible
    return f"{manifest.kind.library} {manifest.library_version}, compute capability {capabilities}"
