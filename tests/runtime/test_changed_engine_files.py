"""Engines whose files are overwritten in use, hold values that overflow, or were changed by other tools."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import pytest
from checkout import EXAMPLES
from onnx import TensorProto, numpy_helper

from dynast_deploy.errors import DynastError, DynastWarning
from dynast_deploy.runtime import load_engine

pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")

EXAMPLE = EXAMPLES / "style.onnx"
SIZE = 64


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(EXAMPLE)


@pytest.fixture
def changed(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def pictures(channels: int = 3, seed: int = 0, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, channels, SIZE, SIZE), np.float32)


@pytest.fixture
def engine_path(tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(EXAMPLE.read_bytes())
    return path


def overwrite(path: Path, content: bytes) -> None:
    """In place, as `cp` does it."""
    with open(path, "r+b") as file:
        file.truncate(len(content) // 2)
        file.seek(0)
        file.write(content)
        file.truncate(len(content))


def other_weights(path: Path) -> bytes:
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.FLOAT:
            tensor.raw_data = (numpy_helper.to_array(tensor) * np.float32(1.5)).tobytes()
    return model.SerializeToString()


def test_an_engine_that_is_written_over_gives_the_pictures_it_was_loaded_for_or_says_so(
    engine_path: Path,
) -> None:
    other = other_weights(engine_path)
    engine = load_engine(engine_path, "cpu", 1)
    exemplar = engine.encode_exemplar(pictures(), pictures())
    expected = engine.render(exemplar, pictures(seed=1))
    in_bytes = engine.render_bytes(exemplar, np.zeros((1, 3, SIZE, SIZE), np.uint8))
    overwrite(engine_path, other)
    np.testing.assert_array_equal(engine.render(exemplar, pictures(seed=1)), expected)
    again = engine.render_bytes(exemplar, np.zeros((1, 3, SIZE, SIZE), np.uint8))
    np.testing.assert_array_equal(again, in_bytes)
    with pytest.raises(DynastError, match=r"model\.onnx changed while it was in use; load the engine again"):
        engine.encode_exemplar(pictures(), pictures())
    maps = Path("/proc/self/maps")
    assert not maps.exists() or str(engine_path) not in maps.read_text()


def test_an_engine_that_is_written_over_before_its_first_frame_says_so(engine_path: Path) -> None:
    other = other_weights(engine_path)
    engine = load_engine(engine_path, "cpu", 1)
    exemplar = engine.encode_exemplar(pictures(), pictures())
    overwrite(engine_path, other)
    with pytest.raises(DynastError, match="changed while it was in use"):
        engine.render(exemplar, pictures())


@pytest.fixture(scope="module")
def engines() -> list:
    return [load_engine(EXAMPLE, "cpu", 1)]


def test_floats_out_of_range_and_nan_are_refused(engines: list) -> None:
    (engine,) = engines
    exemplar = engine.encode_exemplar(pictures(), pictures())
    holding_nan = pictures()
    holding_nan[0, 1, 2, 3] = np.nan
    with pytest.raises(
        DynastError, match=r"condition lies in .*\.\.255; floats must lie in 0\.\.1: scale it"
    ):
        engine.render(exemplar, np.linspace(0, 255, 3 * SIZE**2, dtype=np.float32).reshape(1, 3, SIZE, SIZE))
    with pytest.raises(DynastError, match="condition holds NaN"):
        engine.render(exemplar, holding_nan)
    with pytest.raises(DynastError, match="condition lies in"):
        engine.render_bytes(exemplar, pictures() * 255)
    with pytest.raises(DynastError, match=r"exemplar lies in .*floats must lie in -1\.\.1"):
        engine.encode_exemplar(pictures() * 255, pictures())
    with pytest.raises(DynastError, match="exemplar_condition lies in .*inf"):
        engine.encode_exemplar(pictures(), np.full_like(pictures(), np.inf))


def test_an_exemplar_in_bytes_is_the_one_in_floats(engines: list) -> None:
    (engine,) = engines
    levels = np.random.default_rng(3).integers(0, 256, (1, 3, SIZE, SIZE), np.uint8)
    of_bytes = engine.render(engine.encode_exemplar(levels, pictures()), pictures(seed=1))
    floats = levels / np.float32(127.5) - 1
    np.testing.assert_allclose(
        of_bytes, engine.render(engine.encode_exemplar(floats, pictures()), pictures(seed=1)), atol=2e-3
    )


def last_layer_overflows(model: onnx.ModelProto) -> None:
    """Finite weights, and a sum of them that is not."""
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "decoder_10.weight")
    array = numpy_helper.to_array(weight).copy()
    array[:, ::2], array[:, 1::2] = 3e38, -3e38
    weight.raw_data = array.tobytes()


def test_values_that_are_not_finite_are_no_black_picture(changed: onnx.ModelProto, tmp_path: Path) -> None:
    last_layer_overflows(changed)
    path = tmp_path / "overflowing.onnx"
    path.write_bytes(changed.SerializeToString())
    engine = load_engine(path, "cpu")
    exemplar = engine.encode_exemplar(pictures(), pictures())
    with pytest.raises(DynastError, match=r"overflowing\.onnx: it gives NaN or infinite values"):
        engine.render(exemplar, pictures())
    with pytest.raises(DynastError, match="NaN or infinite values"):
        engine.render_bytes(exemplar, np.full((1, 3, SIZE, SIZE), 99, np.uint8))


def test_a_graph_that_the_fast_form_does_not_take_runs_as_it_is(
    engines: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    exemplar = engines[0].encode_exemplar(pictures(), pictures())
    expected = engines[0].render(exemplar, pictures(seed=1))
    monkeypatch.setattr("dynast_deploy.runtime.onnxrt.cpu_form.channels_last", lambda graph: 1 / 0)
    monkeypatch.setattr("dynast_deploy.runtime.onnxrt.cpu_form.for_cpu", lambda model: 1 / 0)
    engine = load_engine(EXAMPLE, "cpu", 1)
    with pytest.warns(DynastWarning, match=r"runs in a slower form.*division by zero"):
        exemplar = engine.encode_exemplar(pictures(), pictures())
    np.testing.assert_allclose(engine.render(exemplar, pictures(seed=1)), expected, atol=0.02)


def converted_by_others(model: onnx.ModelProto, keep: bool) -> onnx.ModelProto:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=keep)


@pytest.mark.parametrize(
    ("convert", "tolerance"),
    [
        (onnx.inliner.inline_local_functions, 1e-3),
        (lambda model: converted_by_others(model, keep=True), 0.2),
        (lambda model: converted_by_others(model, keep=False), 0.2),
    ],
)
@pytest.mark.filterwarnings("error::dynast_deploy.errors.DynastWarning")
def test_files_that_other_tools_changed_run_in_the_fast_form(
    convert: Callable[[onnx.ModelProto], onnx.ModelProto],
    tolerance: float,
    changed: onnx.ModelProto,
    engines: list,
    tmp_path: Path,
) -> None:
    onnx.save(convert(changed), tmp_path / "converted.onnx")
    engine = load_engine(tmp_path / "converted.onnx", "cpu", 1)
    images, in_bytes = [], []
    levels = np.random.default_rng(3).integers(0, 256, (1, 3, SIZE, SIZE), np.uint8)
    for each in (engine, *engines):
        exemplar = each.encode_exemplar(levels, pictures())
        images.append(each.render(exemplar, levels))
        in_bytes.append(each.render_bytes(exemplar, levels).astype(int))
    assert images[0].dtype == np.float32
    assert np.abs(images[0] - images[1]).mean() < tolerance / 10
    assert np.abs(in_bytes[0] - in_bytes[1]).mean() < 127.5 * tolerance / 10
