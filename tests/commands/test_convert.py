"""`dynast convert`, both ways."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from checkout import RECORDINGS
from tiny_engine import tiny_generator, write_tiny_checkpoint
from typer.testing import CliRunner, Result

from dynast_deploy.checkpoint import load_generator, read_checkpoint, save_generator
from dynast_deploy.cli import app
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator

GOLDEN = RECORDINGS / "generator_pose_64.pth"


def convert(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_a_published_file_of_ours_loads_with_no_configuration(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GeneratorConfig(
        semantic_nc=15, crop_size=32, ngf=4, max_multi=4, n_layers=3, pos_dim=2, prune_dim=3
    )
    generator = Generator(config).eval()
    save_generator(generator, tmp_path / "own.pth", task="face", training_state={"step": 3})
    result = convert(tmp_path / "own.pth", tmp_path / "bare.pth", "--to", "published")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"{tmp_path / 'bare.pth'}\n", "")
    loaded = load_generator(tmp_path / "bare.pth")
    assert loaded.config == config
    for name, tensor in generator.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


@pytest.mark.skipif(not GOLDEN.exists(), reason="recordings of the published code are not here")
def test_published_files_have_the_parameters_of_the_published_code(tmp_path: Path) -> None:
    assert convert(GOLDEN, tmp_path / "own.pth", "--to", "dynast").exit_code == 0
    assert read_checkpoint(tmp_path / "own.pth")["task"] == "pose"
    assert convert(tmp_path / "own.pth", tmp_path / "back.pth", "--to", "published").exit_code == 0
    published, back = (
        torch.load(GOLDEN, weights_only=True),
        torch.load(tmp_path / "back.pth", weights_only=True),
    )
    assert back.keys() == published.keys()
    for name, tensor in published.items():
        assert back[name].shape == tensor.shape, name
        if not name.startswith("embed_1."):
            assert torch.equal(back[name], tensor), name


def test_what_the_published_layout_cannot_hold_is_said(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "own.pth")
    result = convert(checkpoint, tmp_path / "bare.pth", "--to", "published")
    assert "note: smooth is 0.1, which this layout cannot hold" in result.stderr
    assert "--smooth 0.1" in result.stderr
    assert "top_k" not in result.stderr
    assert (
        convert(tmp_path / "bare.pth", tmp_path / "again.pth", "--to", "dynast", "--smooth", "0.1").exit_code
        == 0
    )
    assert load_generator(tmp_path / "again.pth").config == tiny_generator().config


def test_how_it_was_trained_stays_and_what_training_needs_goes(tmp_path: Path) -> None:
    save_generator(
        tiny_generator(),
        tmp_path / "training.pth",
        task="pose",
        step=7,
        training={"seed": 3},
        training_state={"x": 1},
    )
    convert(tmp_path / "training.pth", tmp_path / "out.pth", "--to", "dynast")
    contents = read_checkpoint(tmp_path / "out.pth")
    assert (contents["task"], contents["step"], contents["training"]) == ("pose", 7, {"seed": 3})
    assert "training_state" not in contents


def test_a_checkpoint_is_not_converted_onto_itself(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "own.pth")
    result = convert(checkpoint, checkpoint, "--to", "published")
    assert isinstance(result.exception, DynastError)
    assert "name another file" in str(result.exception)
    assert load_generator(checkpoint).config == tiny_generator().config
