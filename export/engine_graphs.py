"""The graphs that an engine is built from: `model.onnx` in the wanted precision, cut in two, with bytes outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import onnx
from onnx import helper

from dynast_deploy.errors import DynastError
from dynast_deploy.export.float16 import is_half, to_float16
from dynast_deploy.formats.manifest import BatchSizes, TensorSpec
from dynast_deploy.formats.onnx_model import ModelMetadata, load_engine_model, sha256, split_encoder_renderer
from dynast_deploy.formats.precision import EIGHT_BITS, Precision
from dynast_deploy.formats.uint8_io import with_uint8_io

FRAMES, EXEMPLARS = "N", "E"


@dataclass(frozen=True)
class EngineGraphs:
    """Exemplar encoder and frame renderer; what the file they come from says of itself, and its SHA-256."""

    encoder: onnx.ModelProto
    renderer: onnx.ModelProto
    info: ModelMetadata
    source_sha256: str


def read_engine_graphs(
    path: Path, precision: Precision, batch: BatchSizes, calibration: Path | None = None
) -> EngineGraphs:
    """The halves of the model at `path`, uint8 outside (see `uint8_io`), for one exemplar, frames as `batch` says.

    `calibration` is what `dynast calibrate` wrote, and makes a float32 file one of eight bits.

    Raises:
        DynastError: For a file that is missing, damaged, not of this project, or of another precision than the wanted
            one.
    """
    model, info = load_engine_model(path)
    model = in_precision(model, info, path, precision, calibration)
    encoder, renderer = (with_uint8_io(half) for half in split_encoder_renderer(model, info))
    for half in (encoder, renderer):
        set_batch(half, EXEMPLARS, 1)
        if batch.min == batch.max:
            set_batch(half, FRAMES, batch.opt)
    return EngineGraphs(encoder, renderer, info, sha256(path))


def in_precision(
    model: onnx.ModelProto, info: ModelMetadata, path: Path, precision: Precision, calibration: Path | None
) -> onnx.ModelProto:
    """The model in the wanted precision; what is float32 is converted, and quantized as `calibration` says.

    Raises:
        DynastError: Where it cannot be had from this file.
    """
    if calibration is not None:
        if not precision.is_eight_bits:
            raise DynastError(
                f"--calibration {calibration} goes with {' or '.join(f'--{each}' for each in EIGHT_BITS)}, not with "
                f"--{precision}"
            )
        if info.precision != Precision.FP32:
            raise DynastError(f"{path} is an {info.precision} file already; build it without --calibration")
        from dynast_deploy.export.calibrated import calibrated_model

        model = calibrated_model(model, path, calibration, precision)
    elif info.precision not in (Precision.FP32, precision):
        raise DynastError(
            f"{path} is an {info.precision} file; build it with --{info.precision}, or take the float32 file it came "
            "from"
        )
    elif precision.is_eight_bits and info.precision != precision:
        raise DynastError(
            f"--{precision} needs ranges of the values in {path}; measure them with: dynast calibrate {path} --data "
            "..., and pass the file that it writes by --calibration"
        )
    return model if precision is Precision.FP32 or is_half(model) else to_float16(model)


def set_batch(model: onnx.ModelProto, symbol: str, count: int) -> None:
    """Fix a batch dimension wherever the graph states it; changed in place."""
    graph = model.graph
    for value in [*graph.input, *graph.output, *graph.value_info]:
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param == symbol:
                dim.dim_value = count


def tensor_specs(values: list[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
    """Inputs or outputs of a graph as manifests describe them."""
    return tuple(
        TensorSpec(
            value.name,
            str(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
            tuple(
                dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim
            ),
        )
        for value in values
    )
