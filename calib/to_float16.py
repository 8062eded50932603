"""`dynast calibrate --fp16`: float16, and float32 where the measured data need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx

from dynast_deploy.calib.float16_report import constants_that_vanish, nodes_in_float32, report
from dynast_deploy.calib.picture_quality import PictureQuality
from dynast_deploy.calib.quantize_model import CHECKED_FRAMES, check_output, read_float32_model, save
from dynast_deploy.calib.watched_model import as_float
from dynast_deploy.errors import DynastError
from dynast_deploy.export.float16 import to_float16
from dynast_deploy.export.tensor_extremes import value_ranges
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.frames.read_frames import read_data
from dynast_deploy.frames.request import FrameRequest
from dynast_deploy.onnxruntime_session import import_onnxruntime, refusing
from dynast_deploy.progress import Progress
from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning

MEASURED_FRAMES = 8
"""Every tensor of the graph is measured, one node at a time, which takes long."""


def write_float16(path: Path, request: FrameRequest, output: Path) -> float:
    """Measure, convert, write, print; returns the PSNR against float32 in dB. See `dynast calibrate --help`.

    Raises:
        DynastError: Model and data do not fit together, weights are not finite or larger than float16 holds (the
            message names the layer), or a file cannot be written.
    """
    check_output(output, path, request)
    engine = read_float32_model(path)
    data = read_data(request, engine.info, str(path))
    measured, checks = data.split(CHECKED_FRAMES)
    measured = measured.split(MEASURED_FRAMES)[1]
    operators = operators_or_warning(import_onnxruntime())
    with Progress("float16 ranges", len(measured)) as progress, refusing(str(path)):
        ranges = value_ranges(engine.model, _feeds(measured, progress), operators)
    for found in ranges:
        if not found.finite:
            raise DynastError(
                f"tensor {found.tensor} holds NaN or infinite values in float32; check the weights"
            )
    stays = nodes_in_float32(engine.model.graph, ranges)
    lines = report(stays, engine.model.graph) + constants_that_vanish(engine.model.graph, stays)
    quality = PictureQuality(engine.model, checks)
    half = onnx.ModelProto()
    half.CopyFrom(engine.model)
    to_float16(half, keep={stay.node for stay in stays})
    psnr = quality.psnr(half, as_stored=True)
    save(half, output)
    for line in lines:
        print(line)
    print(f"PSNR against float32 on {len(checks)} frames kept from calibration: {psnr:.1f} dB")
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB (float32 {path.stat().st_size / 1e6:.1f} MB)")
    return psnr


def _feeds(data: CalibrationData, progress: Progress) -> Iterator[dict[str, np.ndarray]]:
    for number, condition in data.frames():
        picture, exemplar_condition = data.exemplar(number)
        yield {
            "condition": as_float(condition),
            "exemplar": picture,
            "exemplar_condition": as_float(exemplar_condition),
        }
        progress.advance(1)
