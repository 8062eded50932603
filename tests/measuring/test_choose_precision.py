"""`build_engine.py --auto`: what is tried, what is taken, what is said. Plans and times come from stand-ins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from builder_stand_in import VERSION
from tiny_engine import write_tiny_engine

from dynast_deploy.calib import choose_precision as auto
from dynast_deploy.calib.choose_precision import PrecisionTrial, considered, fastest, tried
from dynast_deploy.commands import plan_builder
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.calibration import Calibration
from dynast_deploy.formats.onnx_model import sha256
from dynast_deploy.formats.precision import Method, Precision
from dynast_deploy.runtime.cuda.driver import GpuDevice

FP16, INT8, FP8 = Precision.FP16, Precision.INT8, Precision.FP8
FILES = {INT8: Path("int8.json"), FP8: Path("fp8.json")}
QUALITY = {FP16: 57.0, INT8: 44.0, FP8: 39.0}


@pytest.mark.parametrize(
    ("times", "target", "taken"),
    [
        ({FP16: 4.0, INT8: 2.5, FP8: 2.0}, 35.0, FP8),
        ({FP16: 4.0, INT8: 2.5, FP8: 2.0}, 40.0, INT8),
        ({FP16: 2.0, INT8: 2.5, FP8: 3.0}, 35.0, FP16),
        ({FP16: 4.0, INT8: 2.5, FP8: 2.0}, 50.0, FP16),
    ],
)
def test_the_fastest_that_meets_the_target_is_taken(
    times: dict[Precision, float], target: float, taken: Precision
) -> None:
    built: list[Precision] = []

    def frame_ms(precision: Precision) -> float:
        built.append(precision)
        return times[precision]

    trials = tried(considered(FILES, QUALITY, target, (8, 9)), frame_ms)
    assert fastest(trials, target).precision is taken
    assert built == [precision for precision in auto.CANDIDATES if QUALITY[precision] >= target]


def test_what_is_not_built_says_why() -> None:
    trials = considered({INT8: Path("int8.json")}, QUALITY, 50.0, (8, 6))
    assert [trial.note for trial in trials] == [
        "",
        "below the target of 50 dB",
        "needs compute capability 8.9",
    ]
    assert considered({}, {}, 35.0, (9, 0))[1].note == "no --calibration for it"


def test_a_precision_that_fails_to_build_is_passed_over() -> None:
    def frame_ms(precision: Precision) -> float:
        if precision is INT8:
            raise DynastError("TensorRT cannot build the frame renderer")
        return 3.0

    trials = tried(considered(FILES, QUALITY, 35.0, (8, 6)), frame_ms)
    assert trials[1] == PrecisionTrial(INT8, 44.0, None, "TensorRT cannot build the frame renderer")
    assert fastest(trials, 35.0).precision is FP16


def test_nothing_to_take_is_an_error_that_lists_the_reasons() -> None:
    trials = considered(FILES, QUALITY, 60.0, (9, 0))
    with pytest.raises(DynastError, match="fp16: below the target of 60 dB; int8: below"):
        fastest(trials, 60.0)


def write_calibration(path: Path, model: Path, number_format: Precision, psnr: float) -> Path:
    quality = {number_format.value: psnr, "fp16": 57.0, f"{number_format}+fp16": psnr}
    Calibration(
        sha256(model), "d", "data", 4, 1, Method.MSE, number_format, quality, {"condition": 1.0}, {}
    ).write(path)
    return path


def test_the_table_is_printed_and_one_plan_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = write_tiny_engine(tmp_path)
    files = [
        write_calibration(tmp_path / f"{kind}.json", model, kind, psnr)
        for kind, psnr in ((Precision.INT8, 44.0), (Precision.FP8, 30.0))
    ]

    class Stand:
        """What `Builder` needs of a target and its settings."""

        __version__ = VERSION
        device = GpuDevice("GPU", "8.9")

    def write(builder: plan_builder.Builder, output: Path, precision: Precision) -> None:
        output.write_text(precision)

    monkeypatch.setattr(plan_builder.Builder, "write", write)
    monkeypatch.setattr(auto, "time_frame", lambda plan: {"fp16": 3.0, "int8": 2.0}[plan.read_text()])
    builder = plan_builder.Builder(
        Stand(),  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        model,
        auto.calibrations_by_precision(files, model),
    )
    output = tmp_path / "model.plan"
    assert plan_builder.build_fastest(builder, output, 35.0) is INT8
    assert output.read_text() == "int8"
    shown = capsys.readouterr().out
    assert "taken" in shown
    assert "below the target of 35 dB" in shown
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".dynast")]


def test_two_calibrations_for_one_precision_are_an_error(tmp_path: Path) -> None:
    model = write_tiny_engine(tmp_path)
    files = [write_calibration(tmp_path / f"{n}.json", model, Precision.INT8, 44.0) for n in "ab"]
    with pytest.raises(DynastError, match="is for int8 too; give one of them"):
        auto.calibrations_by_precision(files, model)
    changed = json.loads(files[0].read_text()) | {"model_sha256": "0"}
    files[0].write_text(json.dumps(changed))
    with pytest.raises(DynastError, match="made for another model"):
        auto.calibrations_by_precision(files[:1], model)
