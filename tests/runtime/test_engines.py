"""Engines: their files, what they refuse, and exemplars that are kept."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_engine import write_tiny_engine

from dynast_deploy import DynastError, onnxruntime_session
from dynast_deploy.runtime import load_engine

PICTURE, CONDITION = np.zeros((1, 3, 32, 32), np.float32), np.full((1, 20, 32, 32), 100, np.uint8)


def test_a_link_to_an_engine_of_another_name_and_folder_runs(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "latest.onnx").symlink_to(write_tiny_engine(tmp_path / "store"))
    engine = load_engine(tmp_path / "latest.onnx")
    image = engine.render(engine.encode_exemplar(PICTURE, CONDITION), CONDITION)
    assert image.shape == (1, 3, 32, 32)
    assert np.isfinite(image).all()


def test_an_engine_whose_file_was_replaced_says_so(tmp_path: Path) -> None:
    path = write_tiny_engine(tmp_path)
    engine = load_engine(path)
    shutil.copy(write_tiny_engine(tmp_path, 3), path)
    with pytest.raises(DynastError, match="changed while it was in use; load the engine again"):
        engine.encode_exemplar(PICTURE, CONDITION)


@pytest.mark.parametrize(
    ("installed", "message"),
    [
        (
            {"onnxruntime", "onnxruntime-gpu"},
            "both installed and overwrite each other; keep one: pip uninstall",
        ),
        (set(), "needs ONNX Runtime: pip install onnxruntime"),
        ({"onnxruntime"}, "onnxruntime is installed but does not load"),
    ],
)
def test_both_neither_or_a_broken_onnxruntime_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: set[str], message: str
) -> None:
    monkeypatch.setattr(onnxruntime_session, "_is_installed", lambda package: package in installed)
    # What Python raises for a package that is not there, or whose library does not load.
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DynastError, match=message) as caught:
        load_engine(write_tiny_engine(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "condition",
            np.zeros((1, 15, 32, 32), np.float32),
            r"condition has shape \[1, 15, 32, 32\]; .* needs \[N, 20,",
        ),
        ("condition", np.zeros((20, 32, 32), np.float32), r"condition has shape \[20, 32, 32\]"),
        ("condition", np.zeros((0, 20, 32, 32), np.float32), r"condition has shape \[0,"),
        ("condition", np.zeros((1, 20, 32, 32), np.int64), "condition is int64; it must be float32"),
        ("exemplar", np.zeros((1, 3, 64, 32), np.float32), r"exemplar has shape \[1, 3, 64, 32\]"),
    ],
)
@pytest.mark.parametrize("suffix", [".onnx", ".pth"])
def test_arrays_that_do_not_fit_are_named(
    tmp_path: Path, name: str, array: np.ndarray, message: str, suffix: str
) -> None:
    engine = load_engine(write_tiny_engine(tmp_path).with_suffix(suffix))
    encoded = engine.encode_exemplar(PICTURE, CONDITION)
    arguments = (array, CONDITION) if name == "exemplar" else (encoded, array)
    use = engine.encode_exemplar if name == "exemplar" else engine.render
    with pytest.raises(DynastError, match=message):
        use(*arguments)


@pytest.mark.parametrize("suffix", [".onnx", ".pth"])
def test_several_exemplars_are_kept_and_frames_share_one(tmp_path: Path, suffix: str) -> None:
    engine = load_engine(write_tiny_engine(tmp_path).with_suffix(suffix))
    rng = np.random.default_rng(0)
    pictures = [rng.random((1, 3, 32, 32), np.float32) * 2 - 1 for _ in range(2)]
    conditions = rng.integers(0, 255, (3, 20, 32, 32), np.uint8)
    first, second = (engine.encode_exemplar(picture, CONDITION) for picture in pictures)
    together = engine.render(first, conditions)
    other = engine.render(second, conditions)
    assert np.abs(together - other).max() > 0.01
    for frame in range(3):
        alone = engine.render(first, conditions[frame : frame + 1])
        np.testing.assert_allclose(alone[0], together[frame], atol=1e-3)
    np.testing.assert_allclose(engine.render(first, conditions / np.float32(255)), together, atol=1e-5)


def test_an_exemplar_of_another_engine_is_refused(tmp_path: Path) -> None:
    path = write_tiny_engine(tmp_path)
    one, other = load_engine(path), load_engine(path)
    with pytest.raises(DynastError, match="encoded by another engine"):
        other.render(one.encode_exemplar(PICTURE, CONDITION), CONDITION)


def test_a_model_of_somebody_else_is_refused(tmp_path: Path) -> None:
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1]) for name in "xy")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "other", [x], [y]))
    onnx.save(model, tmp_path / "other.onnx")
    with pytest.raises(DynastError, match=r"other.onnx: not an engine of this project .* dynast export"):
        load_engine(tmp_path / "other.onnx")
