"""`dynast verify`: engines that draw the same pass, others fail, and files that do not belong together are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnxruntime")

import onnx  # noqa: E402
from plan_machine import plan_machine  # noqa: E402
from tiny_engine import write_tiny_checkpoint, write_tiny_engine  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from dynast_deploy.cli import app  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.evaluation.matching import BlockMatches  # noqa: E402
from dynast_deploy.formats.onnx_model import ModelMetadata, sha256  # noqa: E402
from dynast_deploy.verification.exemplar_tensors import ExemplarTensorErrors  # noqa: E402
from dynast_deploy.verification.matches import MatchDifferences  # noqa: E402
from dynast_deploy.verification.picture_errors import PictureErrors  # noqa: E402


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """tiny20.onnx and its checkpoint, and drawings of noise in arrays.npz."""
    folder = tmp_path_factory.mktemp("verify")
    write_tiny_engine(folder)
    random = np.random.default_rng(0)
    np.savez(
        folder / "arrays.npz",
        condition=random.integers(0, 256, (3, 20, 32, 32), np.uint8),
        exemplar=random.uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32),
        exemplar_condition=random.integers(0, 256, (2, 20, 32, 32), np.uint8),
    )
    return folder


def run(folder: Path, engine: Path, *options: str) -> tuple[int, dict[str, Any]]:
    command = ["verify", "--engine", str(engine), "--onnx", str(folder / "tiny20.onnx"), "--json"]
    result = CliRunner().invoke(app, [*command, "--data", str(folder / "arrays.npz"), *options])
    if isinstance(result.exception, DynastError):
        raise result.exception
    return result.exit_code, json.loads(result.stdout)


def with_changed_weight(engine: Path, name: str, scale: float) -> Path:
    """The engine with one convolution's weights scaled."""
    model = onnx.load(engine)
    weight = next(tensor for tensor in model.graph.initializer if name in tensor.name)
    array = onnx.numpy_helper.to_array(weight) * np.float32(scale)
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(model, engine.with_name("changed.onnx"))
    return engine.with_name("changed.onnx")


def test_an_engine_and_its_checkpoint_pass(folder: Path) -> None:
    status, document = run(
        folder, folder / "tiny20.onnx", "--checkpoint", str(folder / "tiny20.pth"), "--stages"
    )
    assert status == 0
    assert document["verdict"].startswith("passed")
    assert [row["compared"] for row in document["pictures"]] == [
        "engine and ONNX Runtime",
        "engine and PyTorch",
        "ONNX Runtime and PyTorch",
    ]
    assert document["pictures"][0]["worst_frame_db"] > 90
    assert document["pictures"][0]["largest_error"] < 0.05
    # PyTorch sums in another order on every processor, so a match of these random weights may flip.
    assert all(row["worst_frame_db"] > 70 for row in document["pictures"][1:])
    assert document["exemplar_tensors"]
    assert all(row["relative_error"] == 0 for row in document["exemplar_tensors"])
    for row in document["differing_matches"]:
        shares = [value for name, value in row.items() if name != "compared"]
        assert len(shares) >= 7
        assert max(shares) < 0.01


def test_an_engine_that_draws_something_else_fails_and_its_stages_show_where(folder: Path) -> None:
    changed = with_changed_weight(folder / "tiny20.onnx", "transformer_4.0/projection.weight_2", 1.5)
    _, document = run(folder, changed, "--stages")
    errors = {row["tensor"]: row["relative_error"] for row in document["exemplar_tensors"]}
    assert errors["block0.value"] > 0.1
    assert all(error == 0 for name, error in errors.items() if name != "block0.value")

    changed = with_changed_weight(folder / "tiny20.onnx", "decoder_10", 1.5)
    status, document = run(folder, changed, "--stages")
    assert status == 1
    assert document["verdict"].startswith("failed")
    assert all(row["relative_error"] == 0 for row in document["exemplar_tensors"])
    assert run(folder, changed, "--target-psnr", "1")[0] == 0


def test_a_plan_is_compared_by_pictures_and_exemplars(folder: Path, tmp_path: Path) -> None:
    with plan_machine(tmp_path, source_sha256=sha256(folder / "tiny20.onnx")) as machine:
        status, document = run(folder, machine.path)
    assert status == 1  # the stand-in computes another network
    assert document["precision"] == "fp16"
    assert document["runs_on"] == "tensorrt, cuda"
    assert document["pictures"][0]["psnr_db"] < 45


def test_files_that_do_not_belong_together_are_refused(folder: Path, tmp_path: Path) -> None:
    with plan_machine(tmp_path) as machine, pytest.raises(DynastError, match="built from another file"):
        run(folder, machine.path)
    model = onnx.load(folder / "tiny20.onnx")
    for entry in model.metadata_props:
        if entry.key == "dynast.source_sha256":
            entry.value = json.dumps("0" * 64)
    onnx.save(model, tmp_path / "other.onnx")
    assert ModelMetadata.read(model, "").source_sha256 == "0" * 64
    with pytest.raises(DynastError, match="different checkpoints"):
        run(folder, tmp_path / "other.onnx")
    other = write_tiny_checkpoint(tmp_path / "small.pth", crop_size=48)
    with pytest.raises(DynastError, match="not of one network"):
        run(folder, folder / "tiny20.onnx", "--checkpoint", str(other))


def test_picture_errors_are_those_of_the_frames_together_and_of_the_worst() -> None:
    errors = PictureErrors()
    zeros = np.zeros((3, 4, 4), np.float32)
    errors.add(zeros, zeros)
    errors.add(zeros, zeros + 0.2)
    row = errors.row("a and b")
    assert row["psnr_db"] == pytest.approx(10 * np.log10(4 / 0.02), abs=0.06)
    assert row["worst_frame_db"] == pytest.approx(10 * np.log10(4 / 0.04), abs=0.06)
    assert row["largest_error"] == pytest.approx(0.2 * 127.5, abs=0.01)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_one_value_that_is_not_a_number_fails_the_frame(value: float) -> None:
    errors = PictureErrors()
    zeros = np.zeros((3, 64, 64), np.float32)
    broken = zeros.copy()
    broken[0, 5, 7] = value
    for found in (zeros, broken, zeros):
        errors.add(zeros, found)
    assert errors.worst == errors.psnr == 0.0
    assert errors.largest == 2.0


def test_stage_errors_are_relative_and_the_largest_seen() -> None:
    stages = ExemplarTensorErrors()
    ones = np.ones((1, 4, 2), np.float16)
    for scale in (1.0, 1.5, 1.25):
        stages.add({"key": ones * scale, "value": ones}, {"key": ones, "value": ones})
    assert stages.table() == [
        {"tensor": "key", "relative_error": 0.5},
        {"tensor": "value", "relative_error": 0.0},
    ]
    stages.add({"key": ones * np.nan, "value": ones}, {"key": ones, "value": ones})
    assert stages.table()[0]["relative_error"] == float("inf")


def test_match_errors_are_shares_of_queries_over_all_frames() -> None:
    errors = MatchDifferences()
    same = [BlockMatches(4, 1, np.arange(4).reshape(2, 2))]
    other = [BlockMatches(4, 1, np.array([[0, 1], [2, 0]])), BlockMatches(3, 0, np.zeros((4, 4)))]
    errors.add(same, other)
    errors.add(same, same)
    assert errors.table() == {"scale 4, block 2": 0.125}
    with pytest.raises(DynastError, match="not of one network"):
        errors.add(same, [BlockMatches(4, 1, np.zeros((3, 3)))])
