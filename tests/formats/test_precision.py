"""The one list of precisions, and files that name them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from plan_manifest import MANIFEST

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.calibration import read_calibration, with_float16
from dynast_deploy.formats.manifest import Manifest
from dynast_deploy.formats.precision import EIGHT_BITS, Method, Precision

CALIBRATION = {
    "kind": "dynast calibration 1",
    "model_sha256": "m" * 64,
    "data_sha256": "d" * 64,
    "data": "dance.mp4",
    "frames": 30,
    "exemplars": 2,
    "method": "mse",
    "number_format": "int8",
    "psnr": {"int8": 44.5, "fp16": 57.0, "int8+fp16": 44.4},
    "ranges": {"x": 1.5},
    "left": {"last": "why"},
}
"""A file as it was written before calibrations named a `Precision`."""


def test_a_precision_is_found_by_the_word_that_files_and_options_use() -> None:
    assert [str(each) for each in Precision] == ["fp32", "fp16", "int8", "fp8"]
    assert Precision("fp8") is Precision.FP8
    assert EIGHT_BITS == (Precision.INT8, Precision.FP8)
    assert json.dumps({"precision": Precision.INT8}) == '{"precision": "int8"}'


def test_a_calibration_file_of_earlier_versions_is_read(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(CALIBRATION, indent=1) + "\n")
    found = read_calibration(tmp_path / "c.json", "m" * 64, "model.onnx")
    assert (found.number_format, found.method) == (Precision.INT8, Method.MSE)
    assert found.psnr[with_float16(found.number_format)] == 44.4
    assert found.text() == (tmp_path / "c.json").read_text()


@pytest.mark.parametrize("wrong", ["fp16", "fp32", "int4", 8, None])
def test_a_calibration_is_for_eight_bits(wrong: object, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(CALIBRATION | {"number_format": wrong}))
    with pytest.raises(DynastError, match="damaged, or no calibration file"):
        read_calibration(tmp_path / "c.json", "m" * 64, "model.onnx")


@pytest.mark.parametrize("precision", Precision)
def test_a_manifest_holds_any_precision(precision: Precision) -> None:
    manifest = replace(MANIFEST, precision=precision)
    assert Manifest.from_json(manifest.to_json()).precision is precision
