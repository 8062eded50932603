"""Stopping and going on: nothing of a run may show that it was interrupted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch")

from training_run import TINY, Noise, rows, tiny_config  # noqa: E402

from dynast_deploy.checkpoint import read_checkpoint, save_generator  # noqa: E402
from dynast_deploy.cli import app  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.generator import Generator  # noqa: E402
from dynast_deploy.training import loop  # noqa: E402
from dynast_deploy.training.loop import TrainingStopped, train  # noqa: E402

# Rows span two steps and the run stops between two rows; bf16 and the cosine schedule have states of their own.
SIX_STEPS = tiny_config("schedule.length=6", "output.log_every=2", "optimiser.learning_rate=1e-3")
FOURTH_STEP = 2 * 3  # the first sample of it, at two samples in a step


def leaves(contents: Any, name: str = "") -> dict[str, Any]:
    """Every tensor and value of a checkpoint by its path."""
    if isinstance(contents, dict):
        items = list(contents.items())
    elif isinstance(contents, (list, tuple)):
        items = list(enumerate(contents))
    else:
        return {name: contents}
    return {path: leaf for key, value in items for path, leaf in leaves(value, f"{name}/{key}").items()}


def test_a_stopped_and_resumed_run_equals_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    train(SIX_STEPS, tmp_path / "whole")

    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise(terminates=FOURTH_STEP - 2))
    with pytest.raises(TrainingStopped, match="stopped by SIGTERM after step 3; go on with .* --resume"):
        train(SIX_STEPS, tmp_path / "parts")
    assert read_checkpoint(tmp_path / "parts" / "training.pth")["step"] == 3
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    torch.manual_seed(1234)  # whatever happened in between
    train(SIX_STEPS, tmp_path / "parts", resume=True)

    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert [row["step"] for row in rows(tmp_path / "whole")] == [2, 4, 6]
    whole, parts = (
        leaves(dict(read_checkpoint(tmp_path / run / "training.pth"))) for run in ("whole", "parts")
    )
    assert whole.keys() == parts.keys()
    assert len(whole) > 1000
    for name, value in whole.items():
        same = torch.equal(value, parts[name]) if isinstance(value, torch.Tensor) else value == parts[name]
        assert same, name


def test_rows_after_the_last_save_are_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise(damaged=(9,)))
    config = tiny_config("schedule.length=6", "output.save_every=2")
    with pytest.raises(DynastError, match="noise 9"):
        train(config, tmp_path)
    with (tmp_path / "log.jsonl").open("a") as log:
        log.write('{"step": 5, "war')  # cut off by a crash
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    train(config, tmp_path, resume=True)
    assert [row["step"] for row in rows(tmp_path)] == [1, 2, 3, 4, 5, 6]


def test_sigterm_gives_its_exit_code_and_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise(terminates=1))
    settings = [part for change in (*TINY, "schedule.length=2") for part in ("--set", change)]
    stopped = CliRunner().invoke(app, ["train", "--task", "pose", "--out", str(tmp_path), *settings])
    assert stopped.exit_code == 143
    assert stopped.stderr.splitlines()[-1] == (
        f"stopped by SIGTERM after step 1; go on with --out {tmp_path} --resume"
    )
    resumed = CliRunner().invoke(app, ["train", "--out", str(tmp_path), "--resume"])
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout.splitlines()[-1] == str(tmp_path / "generator.pth")
    assert [row["step"] for row in rows(tmp_path)] == [1, 2]


def test_there_has_to_be_a_run_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    with pytest.raises(DynastError, match=r"training\.pth: no such file, so there is no run to resume"):
        train(SIX_STEPS, tmp_path, resume=True)
    result = CliRunner().invoke(app, ["train", "--out", str(tmp_path / "empty"), "--resume"])
    assert "no run to resume" in str(result.exception)
    save_generator(Generator(SIX_STEPS.generator), tmp_path / "training.pth")
    with pytest.raises(DynastError, match="no state of its training; use it with --start-from"):
        train(SIX_STEPS, tmp_path, resume=True)


def test_other_networks_are_not_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    train(tiny_config("schedule.length=1"), tmp_path)
    with pytest.raises(DynastError, match="other settings than this run"):
        train(tiny_config("generator.ngf=8"), tmp_path, resume=True)
    with pytest.raises(DynastError, match="trained with a discriminator, unlike this run"):
        train(tiny_config("objective.adversarial=0", "objective.feature_matching=0"), tmp_path, resume=True)
