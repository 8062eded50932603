"""The command line `dynast` as a whole, and `dynast train`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest
from checkout import ROOT
from tiny_engine import write_tiny_checkpoint
from training_run import TINY
from typer.testing import CliRunner, Result

from dynast_deploy.checkpoint import load_generator, read_checkpoint
from dynast_deploy.cli import app
from dynast_deploy.commands.build_engine import build_engine
from dynast_deploy.commands.calibrate import calibrate
from dynast_deploy.commands.condition import condition
from dynast_deploy.commands.doctor import doctor
from dynast_deploy.commands.export import export
from dynast_deploy.commands.inspect import inspect
from dynast_deploy.commands.run import dynast_run
from dynast_deploy.commands.sensitivity import sensitivity
from dynast_deploy.commands.show import plain_lines, show
from dynast_deploy.commands.train import train
from dynast_deploy.training import loop
from dynast_deploy.training.settings import write_settings

HEAVY = ("torch", "cv2", "av", "onnx", "onnxruntime", "numpy", "PIL", "scipy", "skimage")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own, in the checkout's root."""
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        timeout=120,
    )


def dynast(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, dynast_deploy.cli; print([name for name in {HEAVY} if name in sys.modules])"
    done = python("-c", code)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    "command",
    [
        (),
        ("inspect",),
        ("condition",),
        ("convert",),
        ("data",),
        ("doctor",),
        ("train",),
        ("bench",),
        ("build-engine",),
        ("export",),
        ("from-onnx",),
        ("calibrate",),
        ("sensitivity",),
        ("verify",),
    ],
)
def test_every_command_has_help(command: tuple[str, ...]) -> None:
    result = dynast(*command, "--help")
    assert result.exit_code == 0
    assert "Usage" in result.output


@pytest.mark.parametrize(
    "function", [inspect, condition, doctor, train, dynast_run, export, build_engine, calibrate, sensitivity]
)
def test_no_help_has_square_brackets_which_would_be_taken_for_markup(function: Callable[..., None]) -> None:
    shown = [
        option
        for hint in get_type_hints(function, include_extras=True).values()
        for option in getattr(hint, "__metadata__", ())
    ]
    assert shown
    assert not [option.help for option in shown if "[" in (option.help or "")]


def test_export_and_from_onnx_are_there_without_a_checkout(tmp_path: Path) -> None:
    checkpoint, engine, again = (tmp_path / name for name in ("tiny.pth", "tiny.onnx", "again.pth"))
    write_tiny_checkpoint(checkpoint)
    exported = dynast("export", checkpoint, "-o", engine, "--size", "32x32")
    assert exported.exit_code == 0, exported.output
    assert "32x32" in exported.output
    taken = dynast("from-onnx", engine, "-o", again)
    assert taken.exit_code == 0, taken.output
    assert load_generator(again).config == load_generator(checkpoint).config


def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = python("-m", "dynast_deploy.cli", "inspect", str(tmp_path / "nowhere.onnx"))
    assert done.returncode == 2
    assert done.stderr == f"error: {tmp_path / 'nowhere.onnx'}: no such file\n"
    assert done.stdout == ""


def test_documents_become_plain_lines() -> None:
    document = {
        "weights_mb": 1.5,
        "parameters": 1234567,
        "works": True,
        "missing": None,
        "config": {"n_layers": 2},
        "inputs": [{"name": "x", "shape": ["N", 2048]}, {"name": "long", "shape": [1]}],
    }
    assert plain_lines(document) == [
        "weights: 1.5 MB",
        "parameters: 1,234,567",
        "works: yes",
        "missing: -",
        "config:",
        "  n_layers: 2",
        "inputs:",
        "  name  shape",
        "  x     N, 2048",
        "  long  1",
    ]


def test_a_terminal_gets_tables_with_the_same_facts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    show({"kind": "engine", "config": {"n_layers": 2}, "inputs": [{"name": "[x]", "shape": ["N", 3]}]})
    shown = capsys.readouterr().out
    assert all(fact in shown for fact in ("engine", "n_layers: 2", "[x]", "N, 3"))


def test_train_takes_settings_from_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "start.pth")
    calls = []

    def remember(*arguments: object) -> Path:
        calls.append(arguments)
        return tmp_path / "generator.pth"

    monkeypatch.setattr(loop, "train", remember)
    size = ("--set", "generator.crop_size=64")
    result = dynast(
        "train", "--out", tmp_path, "--task", "face", "--data", "photos", *size, "--set", "generator.ngf=16"
    )
    assert result.exit_code == 0, result.output
    assert result.stdout.strip() == str(tmp_path / "generator.pth")
    config, out, start, resume = calls.pop()
    assert (config.task, config.generator.crop_size, config.generator.ngf) == ("face", 64, 16)
    assert (config.data.source, out, start, resume) == ("photos", tmp_path, None, False)

    dynast("train", "--out", tmp_path, "--start-from", checkpoint, *size)
    config, _, start, _ = calls.pop()
    stored = load_generator(checkpoint).config
    assert config.generator == replace(stored, crop_size=64)
    assert (config.task, start) == ("pose", checkpoint)


def test_resuming_takes_its_settings_from_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(loop, "train", lambda *arguments: calls.append(arguments))
    dynast("train", "--out", tmp_path, "--task", "pose")
    write_settings(calls.pop()[0], tmp_path / "config.toml")
    assert dynast("train", "--out", tmp_path, "--resume", "--set", "schedule.length=7").exit_code == 0
    config, *_, resume = calls.pop()
    assert (config.task, config.schedule.length, resume) == ("pose", 7, True)
    refused = dynast("train", "--out", tmp_path, "--resume", "--start-from", tmp_path / "x.pth")
    assert "leave --config and --start-from out" in str(refused.exception)


@pytest.mark.slow
def test_train_runs_from_the_command_line(tmp_path: Path) -> None:
    settings = [part for change in (*TINY, "schedule.length=1") for part in ("--set", change)]
    command = ("-m", "dynast_deploy.cli", "train", "--task", "pose", "--out", str(tmp_path), *settings)
    # With a process that prepares samples, as by default.
    done = python(*command, "--set", "data.workers=1")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "generator.pth")
    assert read_checkpoint(tmp_path / "generator.pth")["step"] == 1
    again = python(*command)
    assert again.returncode == 2
    assert (
        again.stderr
        == f"error: {tmp_path}: holds a run already; go on with it by --resume, or name another folder\n"
    )
