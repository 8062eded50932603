"""`export/to_onnx.py`: the file computes what the checkpoint computes, and says what it is."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from golden import golden, golden_path
from tiny_engine import tiny_generator, write_tiny_checkpoint
from typer.testing import CliRunner

from dynast_deploy import load_generator
from dynast_deploy.command import run
from dynast_deploy.errors import DynastError
from dynast_deploy.export.split import ModelInfo, halves, sha256
from dynast_deploy.export.to_onnx import build_model, export, parse_size
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.runtime.onnxruntime_engine import OnnxRuntimeEngine

Arrays = dict[str, np.ndarray]


class Recorded(NamedTuple):
    """A recording's engine file, its inputs by our names, and its pictures."""

    path: Path
    inputs: Arrays
    image: np.ndarray


@pytest.fixture(scope="module", params=["pose_64", "face_96"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    arrays = golden(f"generator_{request.param}.npz")
    settings = ast.literal_eval(str(arrays["config"]))
    checkpoint = golden_path(f"generator_{request.param}.pth")
    generator = load_generator(checkpoint, settings["top_k"], settings["smooth"])
    size = generator.config.crop_size
    path = tmp_path_factory.mktemp("export") / f"{request.param}.onnx"
    onnx.save(build_model(generator, size, size, generator.config.task, sha256(checkpoint)), path)
    names = {"condition": "seg", "exemplar": "ref", "exemplar_condition": "ref_seg"}
    return Recorded(path, {ours: arrays[theirs] for ours, theirs in names.items()}, arrays["image"])


def psnr(image: np.ndarray, expected: np.ndarray) -> float:
    """In dB over -1..1."""
    assert image.shape == expected.shape
    return float(10 * np.log10(4 / ((image.astype(np.float64) - expected) ** 2).mean()))


def plain_session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """ONNX Runtime without our library."""
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_the_whole_file_draws_the_published_picture(recorded: Recorded) -> None:
    session = plain_session(onnx.load(recorded.path))
    assert psnr(session.run(["image"], recorded.inputs)[0], recorded.image) >= 80


def test_its_halves_draw_the_published_picture(recorded: Recorded) -> None:
    model = onnx.load(recorded.path)
    info = ModelInfo.read(model, "model")
    encoder, renderer = (plain_session(half) for half in halves(model, info))
    condition = recorded.inputs["condition"]
    cuts = encoder.run(
        info.cut_tensors, {name: recorded.inputs[name] for name in ("exemplar", "exemplar_condition")}
    )
    feeds = dict(zip(info.cut_tensors, cuts, strict=True))
    assert psnr(renderer.run(["image"], {"condition": condition, **feeds})[0], recorded.image) >= 80


@pytest.mark.parametrize("native", [True, False])
def test_the_engine_draws_the_published_picture(recorded: Recorded, native: bool) -> None:
    if native and onnxruntime_library() is None:
        pytest.skip("native operators are not built")
    engine = OnnxRuntimeEngine(recorded.path, "cpu", 1, native_attention=native)
    assert engine.info.attention == ("native" if native else "function")
    inputs = recorded.inputs
    exemplars = engine.encode_exemplar(inputs["exemplar"], inputs["exemplar_condition"])
    assert psnr(engine.render(exemplars, inputs["condition"]), recorded.image) >= 80


def test_one_exemplar_serves_several_conditions(recorded: Recorded) -> None:
    session = plain_session(onnx.load(recorded.path))
    first = {name: array[:1] for name, array in recorded.inputs.items()}
    mirrored = np.ascontiguousarray(first["condition"][..., ::-1])
    both = session.run(["image"], first | {"condition": np.concatenate([first["condition"], mirrored])})[0]
    assert psnr(both[:1], recorded.image[:1]) >= 80
    alone = session.run(["image"], first | {"condition": mirrored})[0]
    assert psnr(both[1:], alone) >= 80


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A tiny checkpoint, its export in 16x24, and what the command printed."""
    folder = tmp_path_factory.mktemp("tiny")
    checkpoint = write_tiny_checkpoint(folder / "tiny.pth")
    result = to_onnx(checkpoint, "-o", folder / "tiny.onnx", "--size", "16x24", "--smooth", 0.5)
    return checkpoint, folder / "tiny.onnx", result


def to_onnx(*arguments: object) -> str:
    """What the command prints."""
    import typer

    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(export)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_compares_the_file_with_the_checkpoint(exported: tuple[Path, Path, str]) -> None:
    _, path, printed = exported
    assert f"{path}: " in printed
    assert "16x24" in printed
    line = next(line for line in printed.splitlines() if line.startswith("against PyTorch on random input"))
    assert float(line.split("PSNR ")[1].split(" dB")[0]) > 80


def test_the_file_passes_the_full_checker_and_says_what_it_is(exported: tuple[Path, Path, str]) -> None:
    checkpoint, path, _ = exported
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    info = ModelInfo.read(model, str(path))
    config = {**tiny_generator().config.to_dict(), "smooth": 0.5}
    assert (info.config, info.task, info.height, info.width) == (config, "pose", 16, 24)
    assert (info.precision, info.source_sha256) == ("fp32", sha256(checkpoint))
    cuts = [f"block{number}.{part}" for number in range(8) for part in ("key", "key_prune", "value")]
    assert info.cut_tensors == cuts
    shapes = {
        value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
        for value in [*model.graph.input, *model.graph.output]
    }
    assert shapes == {
        "condition": ["N", 20, 16, 24],
        "exemplar": ["E", 3, 16, 24],
        "exemplar_condition": ["E", 20, 16, 24],
        "image": ["N", 3, 16, 24],
    }
    assert all(
        json.loads(entry.value) is not None for entry in model.metadata_props if entry.key != "dynast.task"
    )


def test_attention_nodes_carry_what_every_runtime_asks_for(exported: tuple[Path, Path, str]) -> None:
    model = onnx.load(exported[1])
    nodes = [node for node in model.graph.node if node.domain == "dynast"]
    assert [node.op_type for node in nodes] == ["InterScaleAttention", "InnerScaleAttention"] * 3
    for node in nodes:
        given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
        assert given["query_width"] == given["key_width"] in (6, 12, 24)
        assert (given["top_k"], given["temperature"]) == (4, 0.5)
        assert (given["plugin_namespace"], given["plugin_version"], given["aot"]) == (b"dynast", b"1", 1)
    assert {function.name for function in model.functions} == {node.op_type for node in nodes}


def test_another_size_is_the_resized_network(exported: tuple[Path, Path, str]) -> None:
    checkpoint, path, _ = exported
    generator = load_generator(checkpoint, smooth=0.5)
    rng = np.random.default_rng(2)
    inputs = {
        name: rng.random((1, channels, 16, 24), np.float32)
        for name, channels in (("condition", 20), ("exemplar", 3), ("exemplar_condition", 20))
    }
    with torch.no_grad():
        expected = generator(*(torch.from_numpy(array) for array in inputs.values())).numpy()
    assert psnr(plain_session(onnx.load(path)).run(["image"], inputs)[0], expected) >= 80


@pytest.mark.parametrize("text", ["12x16", "0", "-8x8", "x", "8x8x8", "wide"])
def test_sizes_that_are_none_are_named(text: str) -> None:
    with pytest.raises(DynastError, match=f"--size {text}: "):
        parse_size(text)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pth"], "nowhere.pth: no such checkpoint file"),
        (["tiny.pth", "--task", "face"], "task face have 15 channels, this checkpoint's have 20"),
        (["tiny.pth", "--size", "30"], "--size 30: height and width must be multiples of 8"),
        (["tiny.pth", "-o", "missing/model.onnx"], "the folder missing does not exist"),
    ],
)
def test_mistakes_are_one_line_and_leave_no_file(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_checkpoint(tmp_path / "tiny.pth")
    monkeypatch.setattr("sys.argv", ["to_onnx.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        run(export)
    assert ended.value.code == 2
    printed = capsys.readouterr()
    assert words in printed.err
    assert printed.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.pth"]
