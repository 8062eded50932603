"""Engines built by TensorRT-RTX, a real TensorRT parser and builder that needs no GPU. They cannot be run here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import onnx
import pytest
import torch
from checkout import ROOT
from test_build_engine import run
from tiny_engine import write_tiny_checkpoint, write_tiny_engine

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.export.model import build_model
from dynast_deploy.formats.manifest import BatchSizes, PlanKind
from dynast_deploy.formats.plan import read_manifest, read_plans
from dynast_deploy.generator import Generator

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed: pip install tensorrt_rtx")


def command(folder: Path, *arguments: object) -> str:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_three_commands_from_a_checkpoint_to_an_inspected_engine(tmp_path: Path) -> None:
    write_tiny_checkpoint(tmp_path / "tiny.pth")
    command(tmp_path, ROOT / "export" / "to_onnx.py", "tiny.pth")
    said = command(tmp_path, ROOT / "export" / "build_engine.py", "--fp16", "--rtx")
    assert "model.plan: " in said
    assert "fp16, TensorRT-RTX" in said
    shown = command(tmp_path, "-m", "dynast_deploy.cli", "inspect", "model.plan")
    for fact in (
        "kind: TensorRT-RTX engine",
        "precision: fp16",
        "8.0, 8.6, 8.9, 12.0 and later",
        "encoder.plan",
        "renderer.plan",
    ):
        assert fact in shown
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.onnx", "model.plan", "tiny.pth"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_example_builds_for_several_frames(tmp_path: Path, monkeypatch, precision: str) -> None:
    monkeypatch.chdir(tmp_path)
    example = ROOT / "examples" / "marionette.onnx"
    options = ("--rtx", "--compute-capabilities", "8.9", "--batch", "1,2,4")
    assert run(monkeypatch, "--onnx", example, f"--{precision}", *options) == 0
    manifest = read_manifest("marionette.plan")
    assert (manifest.kind, manifest.precision) == (PlanKind.TENSORRT_RTX, precision)
    assert (manifest.batch, manifest.compute_capabilities) == (BatchSizes(1, 2, 4), ("8.9",))
    assert (manifest.gpu, manifest.plugin_version) == (None, None)
    assert min(map(len, read_plans("marionette.plan"))) > 1e6


@pytest.fixture(scope="module")
def published_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published configuration with random weights."""
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(20, 256, ngf=64, n_layers=2)).eval()
    path = tmp_path_factory.mktemp("published") / "model.onnx"
    onnx.save(build_model(generator, 256, 256, "pose", "0" * 64), path)
    return path


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_published_size_builds(published_size: Path, tmp_path: Path, monkeypatch, precision: str) -> None:
    monkeypatch.chdir(tmp_path)
    options = ("--rtx", "--compute-capabilities", "8.9", "-o", "published.plan")
    assert run(monkeypatch, "--onnx", published_size, f"--{precision}", *options) == 0
    manifest = read_manifest("published.plan")
    assert (manifest.precision, manifest.height, manifest.width) == (precision, 256, 256)
    assert len(read_plans("published.plan").renderer) > 1e8


def test_what_the_parser_does_not_take_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    model = onnx.load(write_tiny_engine(tmp_path))
    next(node for node in model.graph.node if node.op_type == "Tanh").op_type = "Bernoulli"
    onnx.save(model, "model.onnx")
    assert run(monkeypatch, "--rtx") == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: TensorRT-RTX does not take the frame renderer: ")
    assert "node tanh (Bernoulli)" in error
    assert not list(tmp_path.glob("*.plan"))


def test_an_unknown_compute_capability_is_named(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    engine = write_tiny_engine(tmp_path)
    assert run(monkeypatch, "--onnx", engine, "--rtx", "--compute-capabilities", "8.9,6.1") == 2
    assert "--compute-capabilities 6.1: TensorRT-RTX" in capsys.readouterr().err
