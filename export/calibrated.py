"""A float32 model with eight-bit layers, as a calibration file says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from dynast_deploy.errors import DynastError
from dynast_deploy.export.quantizable import QuantizableLayer, find_layers
from dynast_deploy.export.quantize import quantize
from dynast_deploy.formats.calibration import Calibration, read_calibration
from dynast_deploy.formats.onnx_model import ModelMetadata, sha256
from dynast_deploy.formats.precision import Precision


def calibrated_model(
    model: onnx.ModelProto, path: Path, calibration_path: Path, number_format: Precision
) -> onnx.ModelProto:
    """The float32 `model` of the file at `path` with eight-bit layers, by a calibration file; for an engine builder.

    Raises:
        DynastError: Where the two files do not belong together, or the calibration is for another format.
    """
    calibration = read_calibration(calibration_path, sha256(path), str(path))
    if calibration.number_format != number_format:
        kind = calibration.number_format
        raise DynastError(f"{calibration_path}: this calibration is for {kind}; build with --{kind}")
    info = ModelMetadata.read(model, str(path))
    layers = find_layers(model, info.cut_tensors)
    return set_precision(quantized_by(model, layers, calibration), number_format)


def quantized_by(
    model: onnx.ModelProto, layers: Sequence[QuantizableLayer], calibration: Calibration
) -> onnx.ModelProto:
    """A copy of a float32 model with quantized `layers`, but for those that a calibration leaves in float.

    Raises:
        DynastError: As `quantize` does.
    """
    return quantize(model, without(layers, calibration.left), calibration.ranges, calibration.number_format)


def without(layers: Sequence[QuantizableLayer], left: dict[str, str]) -> list[QuantizableLayer]:
    """The layers whose names are not in `left`."""
    return [layer for layer in layers if layer.name not in left]


def set_precision(model: onnx.ModelProto, precision: Precision) -> onnx.ModelProto:
    """Write into the metadata which precision the graph has; changed in place."""
    entry = next(entry for entry in model.metadata_props if entry.key == "dynast.precision")
    entry.value = f'"{precision}"'
    return model
