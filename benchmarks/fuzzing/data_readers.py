"""Readers of settings, calibration files, frames as arrays, and lists of training data."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np

from fuzzing.damage import damaged_bytes
from fuzzing.reader import ARCHIVE_DAMAGES, JSON_DAMAGES, Reader, examples
from fuzzing.structure import damaged_toml


def _read_settings(path: Path) -> None:
    from dynast_deploy.config import Task
    from dynast_deploy.training.configure import configure

    configure(Task.POSE, [path], [])


def _calibration_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.formats.calibration import Calibration
    from dynast_deploy.formats.precision import Method, Precision

    method, number_format = Method.ENTROPY, Precision.INT8
    psnr, ranges, left = {"int8": 30.0}, {"a": 1.5, "b": 2.0}, {"c": "first"}
    found = Calibration("0" * 64, "1" * 64, "a.mp4", 10, 1, method, number_format, psnr, ranges, left)
    return [("calibration.json", found.text().encode())]


def _read_calibration(path: Path) -> None:
    from dynast_deploy.formats.calibration import read_calibration

    read_calibration(path, "0" * 64, "model.onnx")


def _array_seeds() -> list[tuple[str, bytes]]:
    packed = io.BytesIO()
    ramp = np.linspace(0, 1, 2 * 3 * 64 * 64, dtype=np.float32).reshape(2, 3, 64, 64)
    arrays = dict.fromkeys(("exemplar", "exemplar_condition", "condition"), ramp)
    np.savez_compressed(packed, **arrays)  # type: ignore[arg-type]
    return [("a.npz", packed.getvalue())]


def _read_arrays(path: Path) -> None:
    from dynast_deploy.formats.onnx_model import ModelMetadata
    from dynast_deploy.frames.read_frames import read_data
    from dynast_deploy.frames.request import FrameRequest

    info = ModelMetadata({"semantic_nc": 3}, "style", 64, 64, "0", "0" * 64, "fp32", [])
    read_data(FrameRequest(str(path), frames=3), info, "model.onnx")


def _histogram_seeds() -> list[tuple[str, bytes]]:
    from dynast_deploy.calib import ranges
    from dynast_deploy.calib.histogram import Histogram

    histogram = Histogram(16, signed=False)
    histogram.add(np.linspace(0, 3, 50, dtype=np.float32))
    state = ranges._State(1, 10, {"a": histogram, "b": histogram})
    with tempfile.TemporaryDirectory() as folder:
        ranges._save(Path(folder) / "a.npz", state)
        return [("a.npz", (Path(folder) / "a.npz").read_bytes())]


def _read_histograms(path: Path) -> None:
    from dynast_deploy.calib import ranges

    ranges._restored(path)


def _list_seeds() -> list[tuple[str, bytes]]:
    lines = "0.jpg\n1.jpg\n", "0.jpg,1.jpg,2.jpg\n1.jpg,0.jpg\n", "0 1 000004.jpg\n1 2 000005.jpg\n"
    encodings = "utf-8", "utf-8-sig", "utf-16"
    return [(f"{k}.txt", text.encode(each)) for k, text in enumerate(lines) for each in encodings]


def _read_lists(path: Path) -> None:
    """As every list of CelebAMask-HQ and DeepFashion in turn, and as a table of keypoints."""
    from dynast_deploy.data import celebamask, deepfashion
    from dynast_deploy.data.damage import Damaged
    from dynast_deploy.errors import DynastError

    refused: list[DynastError] = []
    for read in (
        celebamask._listed,
        celebamask._pairs,
        deepfashion._rows,
        lambda p: deepfashion.read_keypoints(p, p),
    ):
        try:
            read(path)
        except Damaged as error:
            refused.append(DynastError(str(error)))
        except DynastError as error:
            refused.append(error)
    if refused:
        raise refused[0]


READERS = {
    "settings": Reader(
        _read_settings,
        examples("published-pose.toml", "training/matched.toml"),
        (damaged_toml, damaged_bytes),
    ),
    "calibration": Reader(_read_calibration, _calibration_seeds, JSON_DAMAGES),
    "calibration-arrays": Reader(_read_arrays, _array_seeds, ARCHIVE_DAMAGES),
    "histograms": Reader(_read_histograms, _histogram_seeds, ARCHIVE_DAMAGES, "onnxruntime"),
    "lists": Reader(_read_lists, _list_seeds, needs="torch"),
}
