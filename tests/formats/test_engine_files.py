"""Engine files that are damaged, made by others, or changed while they are used: one line, never a wrong picture."""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import pytest
from checkout import EXAMPLES
from onnx import TensorProto, numpy_helper

from dynast_deploy.command import run
from dynast_deploy.commands.inspect import describe
from dynast_deploy.errors import DynastError, DynastWarning
from dynast_deploy.export.engine_graphs import read_engine_graphs
from dynast_deploy.formats.manifest import BatchSizes
from dynast_deploy.formats.onnx_model import ModelMetadata, load_engine_model
from dynast_deploy.formats.precision import Precision
from dynast_deploy.plugins.bindings import library
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.onnxrt import native_operators

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


@pytest.fixture
def no_operators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder for native libraries, which is empty, where they are looked for."""
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setattr(library, "source_id", lambda name: "0123456789ab")
    monkeypatch.setattr(library, "built_folder", lambda name: tmp_path)
    native_operators.find_operators.cache_clear()
    yield tmp_path
    native_operators.find_operators.cache_clear()


def an_elf_file(content: bytes, cut: int = 0) -> bytes:
    """A header of 64 bits whose table of sections lies at the end, with `content`; `cut` bytes of that are missing."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    header[40:48] = (64 + len(content)).to_bytes(8, "little")
    header[58:60], header[60:62] = (64).to_bytes(2, "little"), (1).to_bytes(2, "little")
    whole = bytes(header) + content + bytes(64)
    return whole[: len(whole) - cut]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "native operators are not built, so frames take several times as long; to build them: "),
        (b"dynast-source:anotherothers", "built from other sources than those installed"),
        (b"no library, but dynast-source:0123456789ab", r"does not load \(.*\)"),
        (an_elf_file(b"dynast-source:0123456789ab", cut=10), "damaged .*cut short"),
        (an_elf_file(b"dynast-source:0123456789ab"), r"does not load \(.*\)"),
    ],
)
def test_without_usable_operators_one_note_says_why_and_an_engine_runs(
    content: bytes | None, words: str, no_operators: Path
) -> None:
    if content is not None:
        (no_operators / library.file_name(library.ONNXRUNTIME)).write_bytes(content)
    with pytest.warns(DynastWarning, match=words) as notes:
        engine = load_engine(EXAMPLE, "cpu", 1)
    assert len(notes) == 1
    assert "python -m dynast_deploy.plugins.build" in str(notes[0].message)
    assert engine.info.attention == "function"
    engine.render(engine.encode_exemplar(pictures(), pictures()), pictures())


def test_a_note_is_printed_once_on_standard_error(
    no_operators: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])

    def command() -> None:
        for _ in range(3):
            load_engine(EXAMPLE, "cpu", 1)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with pytest.raises(SystemExit) as ended:
            run(command)
    assert not ended.value.code
    error = capsys.readouterr().err
    assert error.startswith("note: the native operators are not built")
    assert error.count("\n") == 1
