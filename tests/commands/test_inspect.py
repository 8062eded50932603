"""`dynast inspect`: checkpoints, engines, and files of other people."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from plan_manifest import MANIFEST
from typer.testing import CliRunner

from dynast_deploy.checkpoint import load_generator, save_generator
from dynast_deploy.cli import app
from dynast_deploy.commands.inspect import describe
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.export.model import build_model
from dynast_deploy.formats.plan import write_plan_file
from dynast_deploy.generator import Generator


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny pose generator, as our trainer writes it."""
    torch.manual_seed(0)
    config = GeneratorConfig(
        20, crop_size=32, ngf=4, max_multi=2, n_layers=2, pos_dim=2, prune_dim=2, top_k=3, smooth=0.07
    )
    path = tmp_path_factory.mktemp("checkpoint") / "own.pth"
    save_generator(Generator(config), path, task="pose", step=70)
    return path


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Path:
    """The same generator as `model.onnx`, for pictures of 32x48."""
    path = checkpoint.with_name("model.onnx")
    onnx.save(build_model(load_generator(checkpoint), 32, 48, "pose", "0" * 64), path)
    return path


def test_inspect_tells_all_of_our_checkpoint(checkpoint: Path) -> None:
    found = describe(checkpoint)
    assert found["kind"] == "checkpoint"
    assert found["task"] == "pose"
    assert found["step"] == 70
    assert found["configuration"]["smooth"] == 0.07
    assert found["configuration"]["top_k"] == 3
    assert found["configuration_from"] == "the file"
    assert "problem" not in found
    assert found["parameters"] == sum(each.numel() for each in load_generator(checkpoint).parameters())


def test_inspect_infers_what_a_published_checkpoint_does_not_say(checkpoint: Path, tmp_path: Path) -> None:
    state = torch.load(checkpoint, weights_only=True)["generator"]
    del state["decoder_10.0.bias"]
    torch.save({"netG": state, "epoch": 12}, tmp_path / "latest_net_G.pth")
    found = describe(tmp_path / "latest_net_G.pth")
    assert found["layout"] == "published state dict"
    assert "top_k and smooth are defaults" in found["configuration_from"]
    assert found["configuration"]["smooth"] == 0.01
    assert found["epoch"] == 12
    assert "decoder_10.0.bias is missing" in found["problem"]


def test_inspect_tells_all_of_an_engine(engine: Path) -> None:
    found = describe(engine)
    assert found["kind"] == "engine"
    assert (found["task"], found["height"], found["width"], found["precision"]) == ("pose", 32, 48, "fp32")
    assert found["configuration"]["n_layers"] == 2
    assert [each["name"] for each in found["inputs"]] == ["condition", "exemplar", "exemplar_condition"]
    assert found["outputs"] == [{"name": "image", "type": "float", "shape": ["N", 3, 32, 48]}]
    assert found["attention_nodes"] == {"InterScaleAttention": 3, "InnerScaleAttention": 3}
    # Four scales of two blocks of three tensors; block 0 is at a 4x6 map.
    assert len(found["cut_tensors"]) == 24
    assert found["cut_tensors"][0] == {
        "name": "block0.key",
        "type": "float",
        "shape": ["E", 24, 12],
        "size_mb": round(24 * 12 * 4 / 1e6, 3),
    }
    assert sum(each["count"] for each in found["operators"]) == found["nodes"]
    assert 0 < found["weights_mb"] < found["size_mb"]


@pytest.mark.parametrize("built", [True, False])
def test_inspect_says_what_computes_the_attention_here(
    engine: Path, monkeypatch: pytest.MonkeyPatch, built: bool
) -> None:
    monkeypatch.setattr(
        "dynast_deploy.plugins.bindings.library.find", lambda _: Path("lib.so") if built else None
    )
    runs = describe(engine)["attention_runs_here"]
    assert ("natively, by lib.so" in runs) == built
    assert ("python -m dynast_deploy.plugins.build" in runs) != built


def test_inspect_describes_an_onnx_file_of_other_people(tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT16, ["N", 5]) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.ones(5, np.float16), "w")
    graph = helper.make_graph(
        [helper.make_node("Mul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight]
    )
    onnx.save(helper.make_model(graph, producer_name="someone"), tmp_path / "other.onnx")
    found = describe(tmp_path / "other.onnx")
    assert found["kind"] == "ONNX model"
    assert found["producer"] == "someone"
    assert found["inputs"] == [{"name": "x", "type": "float16", "shape": ["N", 5]}]
    assert found["operators"] == [{"operator": "Mul", "count": 1}]
    assert found["weights_mb"] == round(10 / 1e6, 3)
    assert "cut_tensors" not in found


def test_inspect_lists_what_is_in_other_archives(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("encoder.plan", b"\0" * 2000)
    assert describe(tmp_path / "a.zip")["entries"] == [{"name": "encoder.plan", "size_mb": 0.002}]


@pytest.mark.parametrize("name", ["text.onnx", "text.pth", "text"])
def test_inspect_refuses_what_it_does_not_know_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("just text\n")
    with pytest.raises(DynastError, match="is text, not an engine or checkpoint") as caught:
        describe(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_inspect_prints_json(engine: Path) -> None:
    assert json.loads(CliRunner().invoke(app, ["inspect", str(engine), "--json"]).stdout) == json.loads(
        json.dumps(describe(engine))
    )


def test_inspect_tells_what_a_plan_is_and_needs(tmp_path: Path) -> None:
    path = tmp_path / "model.plan"
    write_plan_file(path, MANIFEST, b"encoder", b"renderer")
    found = describe(path)
    assert (found["kind"], found["runs_on"]) == ("TensorRT engine", "TensorRT 10.9.0.34")
    assert (found["compute_capability"], found["built_on"]) == ("8.9", "NVIDIA GeForce RTX 4090")
    assert found["frames_at_once"] == "1 to 4, tuned for 2"
    assert found["rebuild_command"].endswith(f"--fp16 --batch 1,2,4 -o {path}")
    assert [plan["name"] for plan in found["plans"]] == ["encoder.plan", "renderer.plan"]
    assert [row["name"] for row in found["renderer_inputs"]] == ["condition"]
    assert found["renderer_inputs"][0]["shape"] == ["N", 20, 32, 48]
    assert found["cut_tensors"] == [
        {"name": "block0.key", "type": "float16", "shape": [1, 24, 16], "size_mb": 0.001}
    ]
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DynastError, match="cut short"):
        describe(path)
