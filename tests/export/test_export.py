"""The exported file: the published pictures in plain ONNX Runtime, whole and in halves; what it says of itself."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from checkout import ROOT
from golden import golden, golden_path
from tiny_engine import write_tiny_checkpoint

from dynast_deploy import metrics
from dynast_deploy.checkpoint import load_generator
from dynast_deploy.commands import export as to_onnx
from dynast_deploy.formats.onnx_model import ModelMetadata, load_model, sha256, split_encoder_renderer
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

onnxruntime = pytest.importorskip("onnxruntime", reason="exported files are run by ONNX Runtime")

INPUTS = {"condition": "seg", "exemplar": "ref", "exemplar_condition": "ref_seg"}
psnr = partial(metrics.psnr, data_range=2)


def to_onnx_main(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit status of `python export/to_onnx.py ...`, run in this process."""
    monkeypatch.setattr(sys, "argv", ["to_onnx.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        to_onnx.main()
    return int(ended.value.code or 0)


@pytest.fixture(scope="module", params=["pose_64", "face_96"])
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, np.ndarray], np.ndarray]:
    """An exported recording, its inputs, and the published picture."""
    recording = golden(f"generator_{request.param}.npz")
    smooth = ast.literal_eval(str(recording["config"]))["smooth"]
    path = tmp_path_factory.mktemp("export") / "model.onnx"
    with pytest.MonkeyPatch.context() as patch:
        checkpoint = golden_path(f"generator_{request.param}.pth")
        assert to_onnx_main(patch, checkpoint, "-o", path, "--smooth", smooth) == 0
    return path, {name: recording[key] for name, key in INPUTS.items()}, recording["image"]


def session(model: onnx.ModelProto) -> onnxruntime.InferenceSession:
    """Plain ONNX Runtime, which knows nothing of our operators."""
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def test_plain_onnx_runtime_gives_the_published_picture(exported) -> None:
    path, inputs, expected = exported
    image = session(load_model(path)).run(["image"], inputs)[0]
    assert psnr(image, expected) >= 80


@pytest.mark.parametrize("cut", ["halves", "onnx.utils"])
def test_its_halves_give_the_published_picture(exported, cut: str) -> None:
    path, inputs, expected = exported
    model = load_model(path)
    info = ModelMetadata.read(model, str(path))
    if cut == "halves":
        encoder, renderer = split_encoder_renderer(model, info)
    else:
        extractor = onnx.utils.Extractor(model)
        encoder = extractor.extract_model(["exemplar", "exemplar_condition"], info.cut_tensors)
        renderer = extractor.extract_model(["condition", *info.cut_tensors], ["image"])
    onnx.checker.check_model(encoder, full_check=True)
    onnx.checker.check_model(renderer, full_check=True)
    feed = {name: inputs[name] for name in ("exemplar", "exemplar_condition")}
    tensors = session(encoder).run(info.cut_tensors, feed)
    feed = {"condition": inputs["condition"], **dict(zip(info.cut_tensors, tensors, strict=True))}
    assert psnr(session(renderer).run(["image"], feed)[0], expected) >= 80


@pytest.mark.parametrize("native", [True, False])
def test_the_engine_gives_the_published_picture(exported, native: bool) -> None:
    path, inputs, expected = exported
    engine = OnnxRuntimeEngine(path, native_attention=native)
    encoded = engine.encode_exemplar(inputs["exemplar"], inputs["exemplar_condition"])
    assert psnr(engine.render(encoded, inputs["condition"]), expected) >= 80
    if len(expected) > 1:
        first = engine.encode_exemplar(inputs["exemplar"][:1], inputs["exemplar_condition"][:1])
        assert psnr(engine.render(first, inputs["condition"])[:1], expected[:1]) >= 80


def test_the_file_passes_the_full_check_and_holds_its_weights(exported) -> None:
    path, _, _ = exported
    onnx.checker.check_model(onnx.load(path), full_check=True)
    model = onnx.load(path, load_external_data=False)
    assert not [tensor.name for tensor in model.graph.initializer if tensor.external_data]
    assert {function.domain for function in model.functions} == {"dynast"}


def test_attention_nodes_say_everything_a_plugin_needs(exported) -> None:
    path, _, _ = exported
    nodes = [node for node in load_model(path).graph.node if node.domain == "dynast"]
    assert {node.op_type for node in nodes} == {"InterScaleAttention", "InnerScaleAttention"}
    wanted = {"query_width", "key_width", "top_k", "temperature", "plugin_namespace", "plugin_version", "aot"}
    for node in nodes:
        assert {attribute.name for attribute in node.attribute} == wanted
        assert len(node.input) == 6
        assert len(node.output) == 3


def test_nothing_is_left_that_weights_alone_decide(exported) -> None:
    path, _, _ = exported
    names = {node.op_type for node in load_model(path).graph.node}
    assert not names & {"BatchNormalization", "PRelu", "Col2Im", "GatherND", "Identity"}


def test_its_metadata_tell_what_it_is(tmp_path: Path, monkeypatch) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny.pth")
    monkeypatch.chdir(tmp_path)
    assert to_onnx_main(monkeypatch, checkpoint, "--size", "48x32", "--top-k", 3, "--task", "pose") == 0
    info = ModelMetadata.read(load_model("model.onnx"), "model.onnx")
    assert (info.height, info.width, info.task, info.precision) == (48, 32, "pose", "fp32")
    assert info.config["top_k"] == 3
    assert info.source_sha256 == sha256(checkpoint)
    assert len(info.cut_tensors) == 4 * 2 * 3
    engine = OnnxRuntimeEngine("model.onnx")
    assert (engine.info.height, engine.info.width) == (48, 32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "tiny.pth"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pth"], "nowhere.pth: no such file"),
        (["tiny.pth", "--task", "face"], "conditions of task face have 15 channels"),
        (["tiny.pth", "--size", "50x32"], "multiples of 8"),
        (["tiny.pth", "--size", "large"], "write HEIGHTxWIDTH"),
        (["tiny.pth", "-o", "no/model.onnx"], "the folder no does not exist"),
        (["text.pth"], "text.pth: is text, not an engine or checkpoint"),
    ],
)
def test_a_mistake_gets_one_line_and_no_file(
    tmp_path: Path,
    monkeypatch,
    capsys,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tiny_checkpoint(tmp_path / "tiny.pth")
    (tmp_path / "text.pth").write_text("hello")
    assert to_onnx_main(monkeypatch, *arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("*.onnx"))


def test_the_script_runs_from_a_checkout(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny.pth")
    script = ROOT / "export" / "to_onnx.py"
    command = [sys.executable, script, checkpoint, "-o", tmp_path / "out.onnx"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "against PyTorch on random input: PSNR" in done.stdout


def test_another_size_is_the_network_of_that_size(tmp_path: Path, monkeypatch) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "tiny.pth")
    path = tmp_path / "model.onnx"
    assert to_onnx_main(monkeypatch, checkpoint, "-o", path, "--size", "16x24", "--smooth", 0.5) == 0
    rng = np.random.default_rng(2)
    channels = {"condition": 20, "exemplar": 3, "exemplar_condition": 20}
    feed = {name: rng.random((1, count, 16, 24), np.float32) for name, count in channels.items()}
    with torch.no_grad():
        arrays = [torch.from_numpy(array) for array in feed.values()]
        expected = load_generator(checkpoint, smooth=0.5)(*arrays).numpy()
    assert psnr(session(load_model(path)).run(["image"], feed)[0], expected) >= 80


def test_one_exemplar_serves_several_conditions(exported) -> None:
    path, inputs, expected = exported
    first = {name: array[:1] for name, array in inputs.items()}
    mirrored = np.ascontiguousarray(first["condition"][..., ::-1])
    run = session(load_model(path)).run
    both = run(["image"], first | {"condition": np.concatenate([first["condition"], mirrored])})[0]
    assert psnr(both[:1], expected[:1]) >= 80
    assert psnr(both[1:], run(["image"], first | {"condition": mirrored})[0]) >= 80
