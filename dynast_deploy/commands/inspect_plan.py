"""What an engine bundle, `model.plan`, says of itself."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dynast_deploy.commands.show import megabytes
from dynast_deploy.formats.manifest import DTYPES, TensorSpec
from dynast_deploy.formats.plan import read_manifest


def describe_plan(file: Path) -> dict[str, Any]:
    """The manifest, what the plans run on, their inputs and outputs and sizes, for `commands.show`.

    Raises:
        DynastError: For a file that is cut short or is not a bundle of this project.
    """
    manifest = read_manifest(file)
    library = manifest.kind.library
    later = " and later"
    frames = manifest.batch
    plugin = manifest.plugin_version
    with zipfile.ZipFile(file) as archive:
        plans = [
            {"name": entry.filename, "size_mb": megabytes(entry.file_size)}
            for entry in archive.infolist()
            if entry.filename.endswith(".plan")
        ]
    return {
        "kind": f"{library} engine",
        "runs_on": f"{library} {manifest.library_version}{later * manifest.version_compatible}",
        "compute_capability": ", ".join(manifest.compute_capabilities) + later * manifest.hardware_compatible,
        "built_on": manifest.gpu or "no GPU",
        "task": manifest.task,
        "height": manifest.height,
        "width": manifest.width,
        "precision": manifest.precision,
        "frames_at_once": str(frames.opt)
        if frames.min == frames.max
        else f"{frames.min} to {frames.max}, tuned for {frames.opt}",
        "attention": "functions of the ONNX file" if plugin is None else f"plugin version {plugin}",
        "source": manifest.source,
        "source_sha256": manifest.source_sha256,
        "calibration": manifest.calibration,
        "producer_version": manifest.producer_version,
        "rebuild_command": manifest.rebuild_command(file),
        "plans": plans,
        "encoder_inputs": _rows(manifest.encoder_inputs),
        "renderer_inputs": _rows(
            [spec for spec in manifest.renderer_inputs if spec.name not in manifest.cut_tensors]
        ),
        "renderer_outputs": _rows(manifest.renderer_outputs),
        "cut_tensors_total_mb": megabytes(sum(map(_size, manifest.encoder_outputs))),
        "cut_tensors": _rows(manifest.encoder_outputs),
    }


def _rows(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "type": spec.dtype,
            "shape": ["N" if side == -1 else side for side in spec.shape],
            "size_mb": megabytes(_size(spec)),
        }
        for spec in specs
    ]


def _size(spec: TensorSpec) -> int:
    """Bytes, for one frame where their number is open."""
    return math.prod(abs(side) for side in spec.shape) * DTYPES[spec.dtype]
