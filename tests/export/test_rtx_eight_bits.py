"""Calibrated engines are parsed and built by TensorRT-RTX, both halves, the rest in float16."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from calibration_arrays import tiny_arrays
from tiny_engine import write_tiny_engine
from typer.testing import CliRunner

from dynast_deploy.cli import app
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.plan import read_manifest, read_plans

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install tensorrt_rtx")


def dynast(*arguments: object) -> None:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("precision", ["int8", "fp8"])
def test_a_calibrated_engine_builds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    np.savez(tmp_path / "data.npz", **tiny_arrays(4))
    engine, calibrated = write_tiny_engine(tmp_path), tmp_path / "eight.onnx"
    formats = ["--fp8"] if precision == "fp8" else []
    if formats:
        pytest.importorskip("ml_dtypes", reason="FP8 numbers come with it; onnx brings it from 1.18 on")
    dynast("calibrate", engine, "--data", tmp_path / "data.npz", "-o", calibrated, *formats)
    build = ("build-engine", f"--{precision}", "--rtx", "--compute-capabilities", "8.9")
    plans = []
    for name, source in (
        ("from-calibration", (engine, "--calibration", calibrated.with_suffix(".calibration.json"))),
        ("from-graph", (calibrated,)),
    ):
        plan = tmp_path / f"{name}.plan"
        dynast(*build, "--onnx", *source, "-o", plan)
        assert read_manifest(plan).precision == precision
        plans.append([len(part) for part in read_plans(plan)])
    assert plans[0] == plans[1]
    with pytest.raises(DynastError, match="file already; build it without --calibration"):
        dynast(*build, "--onnx", calibrated, "--calibration", calibrated.with_suffix(".calibration.json"))
