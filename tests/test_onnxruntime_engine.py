"""`load_engine` on ONNX Runtime: exemplars, batches, and what a person can get wrong."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tiny_engine import write_tiny_engine

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime import load_engine, onnxruntime_engine
from dynast_deploy.runtime.onnxruntime_engine import OnnxRuntimeEngine, import_onnxruntime

SIZE = 32


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_engine(tmp_path_factory.mktemp("engine"), crop_size=SIZE)


@pytest.fixture(scope="module")
def engine(path: Path) -> OnnxRuntimeEngine:
    return OnnxRuntimeEngine(path, "cpu", 1)


def pictures(count: int, channels: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, channels, SIZE, SIZE), np.float32)


def test_the_engine_says_what_it_is(path: Path) -> None:
    info = load_engine(path, "cpu", 1).info
    assert (info.task, info.channels, info.height, info.width) == ("pose", 20, SIZE, SIZE)
    assert (info.backend, info.device, info.source) == ("onnxruntime", "cpu", str(path))


def test_frames_of_one_batch_are_the_frames_one_by_one(engine: OnnxRuntimeEngine) -> None:
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    conditions = pictures(3, 20, seed=1)
    together = engine.render(exemplar, conditions)
    assert together.shape == (3, 3, SIZE, SIZE)
    assert together.dtype == np.float32
    for frame, condition in zip(together, conditions, strict=True):
        np.testing.assert_allclose(engine.render(exemplar, condition[None])[0], frame, atol=1e-5)


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


def test_conditions_of_bytes_are_those_of_0_to_1(engine: OnnxRuntimeEngine) -> None:
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    levels = (pictures(1, 20, seed=5) * 255).astype(np.uint8)
    expected = engine.render(exemplar, levels.astype(np.float32) / 255)
    np.testing.assert_allclose(engine.render(exemplar, levels), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (pictures(1, 15), r"condition has shape \[1, 15, 32, 32\]; .*tiny20.onnx needs \[N, 20, 32, 32\]"),
        (np.zeros((1, 20, 32, 40), np.float32), r"\[1, 20, 32, 40\]"),
        (np.zeros((20, 32, 32), np.float32), r"\[20, 32, 32\]"),
        (np.zeros((0, 20, 32, 32), np.float32), r"\[0, 20, 32, 32\]"),
        (np.zeros((1, 20, 32, 32), np.int64), "condition is int64; it must be float32, or uint8"),
    ],
)
def test_input_that_does_not_fit_is_named(
    engine: OnnxRuntimeEngine, condition: np.ndarray, words: str
) -> None:
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    with pytest.raises(DynastError, match=words):
        engine.render(exemplar, condition)


def test_exemplars_that_do_not_fit_are_named(engine: OnnxRuntimeEngine) -> None:
    with pytest.raises(DynastError, match=r"exemplar has shape \[1, 20, 32, 32\].*\[N, 3, 32, 32\]"):
        engine.encode_exemplar(pictures(1, 20), pictures(1, 3))
    with pytest.raises(DynastError, match="2 exemplars have 1 conditions"):
        engine.encode_exemplar(pictures(2, 3), pictures(1, 20))
    two = engine.encode_exemplar(pictures(2, 3), pictures(2, 20))
    with pytest.raises(DynastError, match="2 exemplars for 3 conditions"):
        engine.render(two, pictures(3, 20))


def test_an_exemplar_belongs_to_the_engine_that_encoded_it(engine: OnnxRuntimeEngine, path: Path) -> None:
    other = OnnxRuntimeEngine(path, "cpu", 1).encode_exemplar(pictures(1, 3), pictures(1, 20))
    with pytest.raises(DynastError, match="encoded by another engine"):
        engine.render(other, pictures(1, 20))


def test_a_file_behind_a_link_runs(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked.onnx"
    link.symlink_to(path)
    engine = load_engine(link, "cpu", 1)
    image = engine.render(engine.encode_exemplar(pictures(1, 3), pictures(1, 20)), pictures(1, 20))
    assert np.ptp(image) > 0


def test_a_file_that_changed_after_loading_encodes_no_exemplar(path: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.onnx"
    mine.write_bytes(path.read_bytes())
    engine = load_engine(mine, "cpu", 1)
    mine.unlink()
    with pytest.raises(DynastError, match=r"mine\.onnx: the file was changed since it was loaded"):
        engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    mine.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DynastError, match="load it again"):
        engine.encode_exemplar(pictures(1, 3), pictures(1, 20))


def test_the_renderer_can_be_profiled(path: Path, tmp_path: Path) -> None:
    engine = OnnxRuntimeEngine(path, "cpu", 1, profile_prefix=str(tmp_path / "profile"))
    exemplar = engine.encode_exemplar(pictures(1, 3), pictures(1, 20))
    engine.render(exemplar, pictures(1, 20))
    del engine, exemplar
    gc.collect()
    (written,) = tmp_path.glob("profile*.json")
    assert "Conv" in written.read_text()


def write_text(path: Path, _: Path) -> None:
    path.write_text("This is a letter and no engine.\n" * 20)


def write_foreign(path: Path, _: Path) -> None:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    node = helper.make_node("Relu", ["x"], ["y"])
    onnx.save(helper.make_model(helper.make_graph([node], "g", value[:1], value[1:])), path)


def write_cut(path: Path, whole: Path) -> None:
    content = whole.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def write_broken(path: Path, whole: Path) -> None:
    model = onnx.load(whole)
    next(node for node in model.graph.node if node.op_type == "Tanh").op_type = "Tanhh"
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path, whole: None, "no such engine file"),
        (write_text, "damaged, cut short, or no ONNX file"),
        (write_cut, "damaged, cut short, or no ONNX file"),
        (write_foreign, "no engine of this project .* make one with: python export/to_onnx.py"),
        (write_broken, "ONNX Runtime cannot run this file .*Tanhh"),
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


def test_other_kinds_of_file_and_device_are_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "model.bin").touch()
    with pytest.raises(DynastError, match="not an engine this version runs; it takes .onnx"):
        load_engine(tmp_path / "model.bin")
    with pytest.raises(DynastError, match="device 'tpu' is none of auto, cpu and cuda"):
        load_engine(path, "tpu")


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        ({"onnxruntime", "onnxruntime-gpu"}, "both installed .* keep one: pip uninstall"),
        (set(), "needs ONNX Runtime: pip install onnxruntime"),
        ({"onnxruntime"}, "onnxruntime is installed but does not load .* --force-reinstall onnxruntime"),
    ],
)
def test_onnxruntime_packages_that_do_not_work_are_named(
    installed: set[str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def version(package: str) -> str:
        if package not in installed:
            raise PackageNotFoundError(package)
        return "1.32.0"

    monkeypatch.setattr(onnxruntime_engine, "version", version)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(DynastError, match=words):
        import_onnxruntime()
