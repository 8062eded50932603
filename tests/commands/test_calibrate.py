"""`dynast calibrate` and `dynast sensitivity` from the command line's side, with a tiny engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from calibration_arrays import tiny_arrays
from checkout import EXAMPLES
from miniature_data import portraits
from tiny_engine import write_tiny_engine
from typer.testing import CliRunner, Result

from dynast_deploy.cli import app
from dynast_deploy.errors import DynastError
from dynast_deploy.export.calibrated import calibrated_model
from dynast_deploy.export.quantizable import Part, find_layers
from dynast_deploy.face_parts import write_parts
from dynast_deploy.formats.onnx_model import ModelMetadata, load_model
from dynast_deploy.formats.precision import Precision
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime import load_engine
from dynast_deploy.size import Size

pytest.importorskip("onnxruntime", reason="ranges are measured by ONNX Runtime")


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An engine and arrays to calibrate it on."""
    folder = tmp_path_factory.mktemp("tiny")
    np.savez(folder / "data.npz", **tiny_arrays())
    return write_tiny_engine(folder), folder / "data.npz"


def dynast(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def error_of(result: Result) -> str:
    assert isinstance(result.exception, DynastError), (result.output, result.exception)
    assert "\n" not in str(result.exception)
    return str(result.exception)


def calibrated(tiny: tuple[Path, Path], output: Path, *options: object) -> Result:
    result = dynast("calibrate", tiny[0], "--data", tiny[1], "-o", output, *options)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def test_an_engine_in_eight_bits_runs_and_says_what_it_is(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "tiny.int8.onnx"
    result = calibrated(tiny, output)
    assert "of the convolutions' FLOPs" in result.output
    assert "float, gives the picture's colours: decoder_10" in result.output
    assert output.stat().st_size < 0.75 * tiny[0].stat().st_size
    assert ModelMetadata.read(load_model(output), "int8").precision == "int8"
    arrays = tiny_arrays()
    pictures = []
    for path in (tiny[0], output):
        engine = load_engine(path, "cpu", 1)
        encoded = engine.encode_exemplar(arrays["exemplar"][:1], arrays["exemplar_condition"][:1])
        pictures.append(engine.render(encoded, arrays["condition"][:2]))
    assert np.median(np.abs(pictures[0] - pictures[1])) < 0.05
    assert not np.array_equal(*pictures)


def test_a_calibration_file_makes_the_same_engine_for_a_builder(
    tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    calibrated(tiny, tmp_path / "a.onnx", "--method", "percentile", "--keep-float", "^decoder_2")
    file = tmp_path / "a.calibration.json"
    assert calibrated_model(load_model(tiny[0]), tiny[0], file, Precision.INT8) == load_model(
        tmp_path / "a.onnx"
    )
    with pytest.raises(DynastError, match="is for int8; build with --int8"):
        calibrated_model(load_model(tiny[0]), tiny[0], file, Precision.FP8)
    calibration = json.loads(file.read_text())
    assert calibration["left"]["decoder_21/conv"] == "--keep-float ^decoder_2"
    assert (calibration["method"], calibration["frames"], calibration["exemplars"]) == ("percentile", 6, 2)
    other = write_tiny_engine(tmp_path, semantic_nc=15)
    with pytest.raises(DynastError, match="made for another model"):
        calibrated_model(load_model(other), other, file, Precision.INT8)


def test_a_target_leaves_the_worst_layers_in_float(
    tiny: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = ("encoder_q.layer1/conv", "decoder_21/conv", "embed_q1.conv_0")

    def few_layers(model: onnx.ModelProto, cut_tensors: list[str]) -> list[object]:
        return [layer for layer in find_layers(model, cut_tensors) if layer.name in chosen]

    monkeypatch.setattr("dynast_deploy.calib.quantize_model.find_layers", few_layers)
    result = calibrated(tiny, tmp_path / "a.onnx", "--target-psnr", 149)
    assert "float, --target-psnr 149: " in result.output
    left = json.loads((tmp_path / "a.calibration.json").read_text())["left"]
    assert set(left) <= set(chosen)
    assert left
    plain = calibrated(tiny, tmp_path / "b.onnx", "--target-psnr", 1)
    assert "--target-psnr" not in plain.output


def test_float16_reports_what_stays_float32(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    output = tmp_path / "tiny.fp16.onnx"
    result = calibrated(tiny, output, "--fp16")
    assert "norms, whose means and deviations" in result.output
    assert "unit lengths, whose 1e-10" in result.output
    # Random weights: one norm's sum of squares comes near float16's end.
    assert "ReduceSumSquare: overflows: it reaches" in result.output
    assert ModelMetadata.read(load_model(output), "fp16").precision == "fp16"


def test_what_fp8_needs_is_asked_for_before_anything_is_measured(
    tiny: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynast_deploy.export.quantize.find_spec", lambda name: None)
    assert "pip install ml_dtypes" in error_of(
        dynast("calibrate", tiny[0], "--data", "no such data", "--fp8")
    )


def test_fp8_is_written_and_passes_the_full_check(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("ml_dtypes", reason="FP8 numbers come with it; onnx brings it from 1.18 on")
    calibrated(tiny, tmp_path / "a.onnx", "--fp8")
    model = load_model(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    assert ModelMetadata.read(model, "fp8").precision == "fp8"
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    assert onnx.TensorProto.FLOAT8E4M3FN in kinds
    assert onnx.TensorProto.INT8 not in kinds


def test_the_ranking_is_sorted_and_drawn(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the plot is drawn by matplotlib")
    files = tmp_path / "ranking.json", tmp_path / "ranking.png"
    result = dynast(
        *("sensitivity", tiny[0], "--data", tiny[1], "--only", "^decoder_[q4]"),
        *("--json", files[0], "--plot", files[1]),
    )
    assert result.exit_code == 0, (result.output, result.exception)
    ranking = json.loads(files[0].read_text())
    assert sorted(row["layer"] for row in ranking) == [
        "decoder_43/conv",
        "decoder_q21/conv",
        "decoder_q32/conv",
        "decoder_q43/conv",
    ]
    assert [row["psnr"] for row in ranking] == sorted(row["psnr"] for row in ranking)
    assert {row["part"] for row in ranking} == {Part.CONVOLUTION.value}
    assert ranking[0]["layer"] in result.output
    assert files[1].read_bytes().startswith(b"\x89PNG")


def test_video_and_pictures_go_through_the_condition_pipeline(
    tiny: tuple[Path, Path], tmp_path: Path
) -> None:
    examples = EXAMPLES
    exemplars = [f"--exemplar={examples / name}.png" for name in ("red-stripes", "blue-dots")]
    arguments = ("calibrate", tiny[0], *exemplars, "--frames", 4)
    for data in (examples / "dance.mp4", examples):
        output = tmp_path / f"{data.stem}.onnx"
        result = dynast(*arguments, "--data", data, "-o", output)
        assert result.exit_code == 0, (result.output, result.exception)
        calibration = json.loads(output.with_suffix(".calibration.json").read_text())
        assert (calibration["frames"], calibration["exemplars"]) == (4, 2)


def test_a_face_engine_is_calibrated_on_parts_from_files(tmp_path: Path) -> None:
    """The frame without a face is left out."""
    one, other, lent, _ = portraits()
    with VideoWriter(tmp_path / "talk.mp4", Size(64, 64), 25) as writer:
        for shown in (one, one, other):
            writer.write(shown.picture)
    write_parts(tmp_path / "talk.npz", [{}, one.masks, other.masks])
    write_picture(tmp_path / "ref.png", lent.picture)
    write_parts(tmp_path / "ref.npz", [lent.masks])
    exemplar = ("--exemplar", tmp_path / "ref.png", "--exemplar-parts", tmp_path / "ref.npz")
    data = ("--data", tmp_path / "talk.mp4", "--parts", tmp_path / "talk.npz", *exemplar)
    result = dynast("calibrate", write_tiny_engine(tmp_path, 15), *data, "-o", tmp_path / "a.onnx")
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads((tmp_path / "a.calibration.json").read_text())["frames"] == 2
    write_parts(tmp_path / "talk.npz", [one.masks] * 4)
    result = dynast("calibrate", tmp_path / "tiny15.onnx", *data, "-o", tmp_path / "b.onnx")
    assert "talk.npz holds 4 masks of each part for 3 frames" in error_of(result)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name what to calibrate on"),
        (("--data", "{npz}", "-o", "model.txt"), "written as .onnx"),
        (("--data", "{npz}", "-o", "{model}"), "is the float32 engine itself"),
        (("--data", "{npz}", "-o", "nowhere/a.onnx"), "does not exist"),
        (("--data", "{npz}", "--fp8", "--fp16"), "exclude each other"),
        (("--data", "{npz}", "--fp16", "--target-psnr", "40"), "no layers to choose"),
        (("--data", "{npz}", "--target-psnr", "nan"), "--target-psnr is nan; it must be a positive number"),
        (("--data", "{npz}", "--keep-float", "nothing"), "no layer has such a name"),
        (("--data", "{model}"), "name the exemplars too"),
        (("--data", "nothing.mp4"), "no such"),
    ],
)
def test_mistakes_are_one_line_and_write_nothing(
    tiny: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"{npz}": str(tiny[1]), "{model}": str(tiny[0])}
    before = set(tiny[0].parent.iterdir())
    assert message in error_of(dynast("calibrate", tiny[0], *(names.get(o, o) for o in options)))
    assert set(tiny[0].parent.iterdir()) == before
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_bad_data_write_nothing(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    arrays = tiny_arrays()
    arrays["exemplar"][0, 0, 0, 0] = np.nan
    np.savez(tmp_path / "bad.npz", **arrays)
    output = tmp_path / "a.onnx"
    assert "holds NaN" in error_of(dynast("calibrate", tiny[0], "--data", tmp_path / "bad.npz", "-o", output))
    assert [path.name for path in tmp_path.iterdir()] == ["bad.npz"]


def test_an_engine_is_calibrated_once(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    calibrated(tiny, tmp_path / "a.onnx")
    again = dynast("calibrate", tmp_path / "a.onnx", "--data", tiny[1], "-o", tmp_path / "b.onnx")
    assert "it is int8 already; calibrate the float32 file" in error_of(again)
