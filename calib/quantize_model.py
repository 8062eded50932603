"""`dynast calibrate`: from a float32 engine and data to an engine with eight-bit layers and its calibration file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import onnx

from dynast_deploy.calib.picture_quality import PictureQuality
from dynast_deploy.calib.ranges import measure
from dynast_deploy.calib.sensitivity import fewest_left, sensitivity
from dynast_deploy.errors import DynastError
from dynast_deploy.export.calibrated import quantized_by, set_precision, without
from dynast_deploy.export.float16 import is_half, to_float16
from dynast_deploy.export.quantizable import (
    Part,
    QuantizableLayer,
    convolution_share,
    find_layers,
    matching,
    tensor_bytes,
)
from dynast_deploy.export.quantize import check_can_write, is_quantized, quantize
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.files.names import named_beside
from dynast_deploy.files.written_files import check_written
from dynast_deploy.formats.calibration import Calibration, with_float16
from dynast_deploy.formats.onnx_model import ModelMetadata, load_engine_model, sha256
from dynast_deploy.formats.precision import Method, Precision
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.frames.read_frames import files_read, read_data
from dynast_deploy.frames.request import FrameRequest

CHECKED_FRAMES = 8
"""Frames that the result is judged by; no range is measured on them."""
RANKED_FRAMES = 2
"""Frames on which layers are compared with each other."""
LEFT_PARTS = {
    Part.LAST: "gives the picture's colours",
    Part.LOGITS: "attention's queries and keys",
}


class Float32Model(NamedTuple):
    """A float32 engine file, read."""

    path: Path
    model: onnx.ModelProto
    info: ModelMetadata
    layers: list[QuantizableLayer]
    sha256: str


def read_float32_model(path: Path) -> Float32Model:
    """Read an engine and find the layers that can be quantized.

    Raises:
        DynastError: The file is not a float32 engine of this project.
    """
    model, info = load_engine_model(path)
    precision = Precision.FP16 if is_half(model) else info.precision
    if precision is not Precision.FP32 or is_quantized(model):
        raise DynastError(f"{path}: it is {precision} already; calibrate the float32 file it came from")
    return Float32Model(path, model, info, find_layers(model, info.cut_tensors), sha256(path))


def left_in_float(layers: Sequence[QuantizableLayer], keep_float: Sequence[str]) -> dict[str, str]:
    """Layers that stay in float by what they do or by --keep-float, each with the reason.

    Raises:
        DynastError: A pattern of --keep-float is not a regular expression, or fits no layer.
    """
    left = {layer.name: LEFT_PARTS[layer.part] for layer in layers if layer.part in LEFT_PARTS}
    for pattern in keep_float:
        left |= dict.fromkeys(sorted(matching(layers, pattern)), f"--keep-float {pattern}")
    return left


def measured_ranges(
    engine: Float32Model, data: CalibrationData, method: Method, number_format: Precision
) -> dict[str, float]:
    """Ranges of everything that layers read.

    Raises:
        DynastError: A tensor holds NaN or infinity.
    """
    sizes = tensor_bytes(engine.model)
    names = dict.fromkeys(layer.source for layer in engine.layers)
    tensors = {name: sizes.get(name, 0) for name in names}
    return measure(engine.model, tensors, data, method, engine.sha256, number_format)


def write_eight_bits(
    path: Path,
    request: FrameRequest,
    output: Path,
    method: Method,
    number_format: Precision,
    keep_float: Sequence[str],
    target_psnr: float | None,
) -> Calibration:
    """Calibrate, write `output` and its calibration file, print what was done. See `dynast calibrate --help`.

    Raises:
        DynastError: Model, data and options do not fit together, a tensor is not finite, or a file cannot be written.
    """
    check_can_write(number_format)
    calibration_path = named_beside(output, ".calibration.json")
    check_output(output, path, request, calibration_path)
    engine = read_float32_model(path)
    left = left_in_float(engine.layers, keep_float)
    data = read_data(request, engine.info, str(path))
    measured, checks = data.split(CHECKED_FRAMES)
    ranges = measured_ranges(engine, measured, method, number_format)
    quality = PictureQuality(engine.model, checks)
    psnr = quality.psnr(quantize(engine.model, without(engine.layers, left), ranges, number_format))
    if target_psnr is not None and psnr < target_psnr:
        more, psnr = _reach(engine, left, ranges, number_format, quality, checks, target_psnr)
        left |= dict.fromkeys(more, f"--target-psnr {target_psnr:g}")
    calibration = Calibration(
        engine.sha256,
        data.fingerprint(),
        data.source,
        len(measured),
        data.exemplar_count,
        method,
        number_format,
        {number_format.value: round(psnr, 2)},
        {name: ranges[name] for name in sorted(ranges)},
        left,
    )
    calibration.psnr.update(_with_float16_rest(engine, calibration, quality))
    save(set_precision(quantized_by(engine.model, engine.layers, calibration), number_format), output)
    calibration.write(calibration_path)
    for line in summary(engine, calibration, checks):
        print(line)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB (float32 {path.stat().st_size / 1e6:.1f} MB)")
    print(f"{calibration_path}: for dynast build-engine --{number_format} --calibration")
    if number_format is Precision.INT8:
        print(f"on a CPU, see first whether it is faster: dynast bench --engine {path} --engine {output}")
    return calibration


def summary(engine: Float32Model, calibration: Calibration, checks: CalibrationData) -> list[str]:
    """What was quantized, what was not and why, and what became of the picture."""
    quantized = {layer.name for layer in engine.layers} - calibration.left.keys()
    reasons: dict[str, list[str]] = {}
    for name, reason in calibration.left.items():
        reasons.setdefault(reason, []).append(name)
    lines = [
        f"{calibration.number_format}: {len(quantized)} of {len(engine.layers)} layers, "
        f"{convolution_share(engine.layers, quantized):.1%} of the convolutions' FLOPs",
        *(f"float, {reason}: {_shown(names)}" for reason, names in reasons.items()),
        f"PSNR against float32 on {len(checks)} frames kept from calibration: "
        + ", ".join(f"{name} {psnr:.1f} dB" for name, psnr in calibration.psnr.items()),
    ]
    return lines


def _with_float16_rest(
    engine: Float32Model, calibration: Calibration, quality: PictureQuality
) -> dict[str, float]:
    """PSNR of what an engine builder makes: float16, and eight bits with the rest in float16."""
    plain = onnx.ModelProto()
    plain.CopyFrom(engine.model)
    mixed = quantized_by(engine.model, engine.layers, calibration)
    return {
        name: round(quality.psnr(to_float16(model), as_stored=True), 2)
        for name, model in ((Precision.FP16.value, plain), (with_float16(calibration.number_format), mixed))
    }


def save(model: onnx.ModelProto, path: Path) -> None:
    """Write an ONNX file; an earlier one stays until the new one is complete.

    Raises:
        DynastError: The file cannot be written.
    """
    with AtomicFile(path) as partial:
        onnx.save(model, partial)


def _reach(
    engine: Float32Model,
    left: dict[str, str],
    ranges: dict[str, float],
    number_format: Precision,
    quality: PictureQuality,
    checks: CalibrationData,
    target: float,
) -> tuple[list[str], float]:
    candidates = without(engine.layers, left)
    few = PictureQuality(engine.model, checks.split(RANKED_FRAMES)[1])
    ranking = sensitivity(engine.model, candidates, ranges, number_format, few)

    def psnr_without(names: set[str]) -> float:
        kept = [layer for layer in candidates if layer.name not in names]
        return quality.psnr(quantize(engine.model, kept, ranges, number_format))

    return fewest_left(ranking, psnr_without, target)


def check_output(output: Path, model: Path, request: FrameRequest, calibration: Path | None = None) -> None:
    """Check, before the work, that the engine and its calibration file can be written.

    Raises:
        DynastError: It is not named .onnx, its folder does not exist, it cannot be written, or it is a file that is
            read.
    """
    if output.suffix != ".onnx":
        raise DynastError(f"{output}: the engine is written as .onnx")
    if not os.path.isdir(output.parent):
        raise DynastError(f"{output}: the folder {output.parent} does not exist")
    check_written({"-o": output, "the calibration file": calibration}, files_read(request, model))


def _shown(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
