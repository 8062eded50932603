"""Engines on ONNX Runtime: exemplars and batches, files that are none, profiles. See test_engines.py for the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_engine import write_tiny_engine

from dynast_deploy.conditions import tensor_picture
from dynast_deploy.errors import DynastError
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

SIZE = 32


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_engine(tmp_path_factory.mktemp("engine"), crop_size=SIZE)


@pytest.fixture(scope="module")
def engine(path: Path) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(path, "cpu", 1)


def pictures(count: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, channels, SIZE, SIZE), np.float32)


def test_each_condition_may_have_its_own_exemplar(engine: OnnxRuntimeEngine) -> None:
    exemplars, conditions = (pictures(2, 3), pictures(2, 20)), pictures(2, 20, seed=1)
    together = engine.render(engine.encode_exemplar(*exemplars), conditions)
    for index in range(2):
        own = engine.encode_exemplar(*(part[index : index + 1] for part in exemplars))
        alone = engine.render(own, conditions[index : index + 1])
        np.testing.assert_allclose(alone[0], together[index], atol=1e-5)


def test_kept_exemplars_can_be_used_in_turn(engine: OnnxRuntimeEngine) -> None:
    condition = pictures(1, 20, seed=3)
    kept = [engine.encode_exemplar(pictures(1, 3, seed), pictures(1, 20, seed)) for seed in (1, 2)]
    first = [engine.render(exemplar, condition) for exemplar in kept]
    again = [engine.render(exemplar, condition) for exemplar in kept]
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first[0], first[1])


def test_exemplars_that_do_not_fit_are_named(engine: OnnxRuntimeEngine) -> None:
    with pytest.raises(DynastError, match=r"exemplar has shape \[1, 20, 32, 32\].*\[N, 3, 32, 32\]"):
        engine.encode_exemplar(pictures(1, 20), pictures(1, 3))
    with pytest.raises(DynastError, match="2 exemplars have 1 conditions"):
        engine.encode_exemplar(pictures(2, 3), pictures(1, 20))
    two = engine.encode_exemplar(pictures(2, 3), pictures(2, 20))
    with pytest.raises(DynastError, match="2 exemplars for 3 conditions"):
        engine.render(two, pictures(3, 20))


def test_the_renderer_can_be_profiled(path: Path, tmp_path: Path) -> None:
    engine = OnnxRuntimeEngine(path, "cpu", 1, profile_prefix=str(tmp_path / "profile"))
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    engine.render(exemplar, pictures(1, 20))
    engine.close()
    (written,) = tmp_path.glob("profile*.json")
    assert "Conv" in written.read_text()


def write_text(path: Path, _: Path) -> None:
    path.write_text("This is a letter and not an engine.\n" * 20)


def write_cut(path: Path, whole: Path) -> None:
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path, whole: None, "no such file"),
        (write_text, "is text, not an engine or checkpoint"),
        (write_cut, "damaged, cut short, or not an ONNX file"),
    ],
)
def test_files_that_are_no_engine_are_refused(
    write: Callable[[Path, Path], None], words: str, path: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.onnx"
    write(bad, path)
    with pytest.raises(DynastError, match=rf"bad\.onnx: {words}") as error:
        load_engine(bad, "cpu")
    assert "\n" not in str(error.value)


def test_an_operator_that_onnx_runtime_does_not_know_is_named(path: Path, tmp_path: Path) -> None:
    model = onnx.load(path)
    next(node for node in model.graph.node if node.op_type == "Tanh").op_type = "Tanhh"
    onnx.save(model, tmp_path / "bad.onnx")
    engine = load_engine(tmp_path / "bad.onnx", "cpu")
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    with pytest.raises(DynastError, match=r"bad\.onnx: ONNX Runtime cannot run this file .*Tanhh") as error:
        engine.render(exemplar, pictures(1, 20))
    assert "\n" not in str(error.value)


def test_bytes_are_the_rounded_images(engine: OnnxRuntimeEngine) -> None:
    conditions = np.random.default_rng(5).integers(0, 256, (2, 20, SIZE, SIZE), np.uint8)
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    expected = [tensor_picture(image) for image in engine.render(exemplar, conditions)]
    rendered = engine.render_bytes(exemplar, conditions)
    assert rendered.dtype == np.uint8
    np.testing.assert_array_equal(rendered.transpose(0, 2, 3, 1), expected)
    with pytest.raises(DynastError, match=r"condition has shape \[1, 3, 32, 32\]"):
        engine.render_bytes(exemplar, np.zeros((1, 3, SIZE, SIZE), np.uint8))


def test_other_kinds_of_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(DynastError, match=r"model\.bin: is empty"):
        load_engine(tmp_path / "model.bin")
