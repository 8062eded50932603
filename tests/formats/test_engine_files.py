"""Engine files that are damaged, made by others, or changed while they are used: one line, never a wrong picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from checkout import EXAMPLES
from onnx import numpy_helper

from dynast_deploy.commands.inspect import describe
from dynast_deploy.errors import DynastError
from dynast_deploy.export.engine_graphs import read_engine_graphs
from dynast_deploy.formats.manifest import BatchSizes
from dynast_deploy.formats.onnx_model import ModelMetadata, load_engine_model
from dynast_deploy.formats.precision import Precision
from dynast_deploy.runtime import load_engine

pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")

EXAMPLE = EXAMPLES / "style.onnx"
SIZE = 64
VALUES = ["null", "-1", "0", "7", "2.5", "true", "[]", "[1]", "{}", '"text"', '"\\u001b[31m"', "1e400", "NaN"]
VALUES += [str(2**70), str(-(2**70)), "9" * 5000, "1000000", "[" * 100_000, "not JSON", ""]
FITTING = {("task", "null"), ("producer_version", '"text"'), ("source_sha256", '"text"')}
READERS: dict[str, Callable[[Path], object]] = {
    "dynast-run, bench, evaluate": lambda path: load_engine(path, "cpu"),
    "inspect": describe,
    "calibrate, sensitivity, from_onnx": load_engine_model,
    "build-engine": lambda path: read_engine_graphs(path, Precision.FP16, BatchSizes()),
}


@pytest.fixture(scope="module")
def model() -> onnx.ModelProto:
    return onnx.load(EXAMPLE)


@pytest.fixture
def changed(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def metadata(model: onnx.ModelProto, name: str) -> onnx.StringStringEntryProto:
    return next(entry for entry in model.metadata_props if entry.key == f"dynast.{name}")


def refused(path: Path, words: str) -> None:
    """Every reader refuses the file in one line."""
    for reader in READERS.values():
        with pytest.raises(DynastError, match=words) as error:
            reader(path)
        assert "\n" not in str(error.value)
        assert str(error.value).isprintable()
        assert len(str(error.value)) < 500


def pictures(channels: int = 3, seed: int = 0, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, channels, SIZE, SIZE), np.float32)


def light(model: onnx.ModelProto) -> onnx.ModelProto:
    """Without weights: what is refused for its metadata is not looked at further."""
    del model.graph.initializer[:]
    return model


def test_every_metadata_value_has_a_type_and_a_range(changed: onnx.ModelProto) -> None:
    light(changed)
    for entry in [entry for entry in changed.metadata_props if entry.key.startswith("dynast.")]:
        right, name = entry.value, entry.key.removeprefix("dynast.")
        for value in VALUES:
            if (name, value) in FITTING:
                continue
            entry.value = value
            with pytest.raises(DynastError, match=rf"bad: its metadata `dynast.{name}` is .*export it again"):
                ModelMetadata.read(changed, "bad")
        entry.value = right


def test_every_setting_of_the_generator_has_a_type_and_a_range(changed: onnx.ModelProto) -> None:
    entry = metadata(light(changed), "config")
    right = json.loads(entry.value)
    for name in [*right, "unknown"]:
        for value in (None, 0, -1, 1e9, 2**70, 10**6, "x", [], {}, True, float("nan")):
            if name == "smooth" and value in (1e9, 10**6, 2**70):  # a temperature may be any positive number
                continue
            entry.value = json.dumps({**right, name: value})
            with pytest.raises(DynastError, match="not the settings of a generator"):
                ModelMetadata.read(changed, "bad")


def without(field: str, index: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        del getattr(model.graph, field)[index]

    return change


def of_seven_channels(model: onnx.ModelProto) -> None:
    for value in model.graph.input:
        if value.name.endswith("condition"):
            value.type.tensor_type.shape.dim[1].dim_value = 7


def of_a_million_pixels(model: onnx.ModelProto) -> None:
    for value in [*model.graph.input, *model.graph.output]:
        for side in (2, 3):
            value.type.tensor_type.shape.dim[side].dim_value = 1_000_000
    for name in ("height", "width"):
        metadata(model, name).value = "1000000"


def of_another_size(model: onnx.ModelProto) -> None:
    for value in [*model.graph.input, *model.graph.output]:
        value.type.tensor_type.shape.dim[2].dim_value = 4096
    metadata(model, "height").value = "4096"


def with_sides(*sides: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in model.graph.initializer if len(tensor.dims) == 4)
        tensor.dims[: len(sides)] = sides

    return change


def with_weights(value: float) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name.endswith("gamma.weight"))
        array = numpy_helper.to_array(tensor).copy()
        array.flat[7] = value
        tensor.raw_data = array.tobytes()

    return change


def bare_input(model: onnx.ModelProto) -> None:
    model.graph.input[0].ClearField("type")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("input", 0), "condition is missing|damaged"),
        (without("input", 2), "exemplar_condition is missing|damaged"),
        (without("output", 0), "image is missing|damaged"),
        (lambda model: model.graph.ClearField("value_info"), "as a cut tensor, and the graph states none"),
        (bare_input, "condition is undefined|damaged"),
        (of_seven_channels, r"condition has shape \[0, 7, 64, 64\]; its metadata says \[N, 3, 64, 64\]"),
        (of_a_million_pixels, "`dynast.height` is `1000000`, not a multiple of 8 in 8..8192"),
        (
            of_another_size,
            "as a cut tensor, and the graph states none of that name for pictures of 4096x64|damaged",
        ),
        (with_sides(2**62), "damaged: its tensor .* bytes for shape .4611686018427387904"),
        (with_sides(2**62, 2**62), "damaged: its tensor"),
        (with_sides(-1), r"damaged: its tensor .* bytes for shape .-1"),
        (with_weights(np.nan), "gamma.weight` hold NaN or infinite values"),
        (with_weights(-np.inf), "gamma.weight` hold NaN or infinite values"),
    ],
)
def test_what_does_not_fit_is_refused_by_every_reader(
    change: Callable[[onnx.ModelProto], None], words: str, changed: onnx.ModelProto, tmp_path: Path
) -> None:
    change(changed)
    path = tmp_path / "bad.onnx"
    path.write_bytes(changed.SerializeToString())
    if "hold NaN" in words:  # the engine reads weights when it needs them
        with pytest.raises(DynastError, match=words):
            render_once(path)
        for name in ("inspect", "build-engine"):
            with pytest.raises(DynastError, match=words):
                READERS[name](path)
    else:
        refused(path, words)


def render_once(path: Path) -> None:
    engine = load_engine(path, "cpu")
    engine.render(engine.encode_exemplar(pictures(), pictures()), pictures())


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    content = EXAMPLE.read_bytes()
    at = content.index(b"exemplar_signal")
    (tmp_path / "bad.onnx").write_bytes(content[:at] + b"\xff" + content[at + 1 :])
    # With onnx 1.17 protobuf refuses the file itself, and the reason is in its words.
    by_protobuf = onnx.__version__.startswith("1.17.")
    refused(tmp_path / "bad.onnx", "damaged, " if by_protobuf else "a name in it is not UTF-8")
