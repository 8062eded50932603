"""A calibration file is read as it was written, or refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.calibration import Calibration, read_calibration
from dynast_deploy.formats.precision import Method, Precision


def calibration() -> Calibration:
    return Calibration(
        "m" * 64,
        "d" * 64,
        "dance.mp4",
        30,
        2,
        Method.MSE,
        Precision.INT8,
        {"int8": 44.5},
        {"x": 1.5},
        {"last": "why"},
    )


def test_a_calibration_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    calibration().write(tmp_path / "c.json")
    assert read_calibration(tmp_path / "c.json", "m" * 64, "model.onnx") == calibration()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such calibration file"),
        ("{", "damaged, or no calibration file"),
        ("[]", "damaged, or no calibration file"),
        (json.dumps({"kind": "other"}), "damaged, or no calibration file"),
        (calibration().text().replace("1.5", "NaN"), "damaged, or no calibration file"),
        (calibration().text().replace("mmmm", "nnnn"), "made for another model than model.onnx"),
    ],
)
def test_a_wrong_calibration_file_is_one_line(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "c.json").write_text(text)
    with pytest.raises(DynastError, match=message):
        read_calibration(tmp_path / "c.json", "m" * 64, "model.onnx")
