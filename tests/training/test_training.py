"""The training loop, at a size that trains in seconds."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")

from training_run import FewSamples, Noise, rows, tiny_config  # noqa: E402

from dynast_deploy.checkpoint import load_generator, read_checkpoint, save_generator  # noqa: E402
from dynast_deploy.config import Task  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.generator import Generator  # noqa: E402
from dynast_deploy.tasks.training_data import SHIPPED, training_data  # noqa: E402
from dynast_deploy.training import loop, run_log  # noqa: E402
from dynast_deploy.training.loop import train  # noqa: E402
from dynast_deploy.training.presets import preset  # noqa: E402

ONE_STEP = tiny_config("schedule.length=1")


@pytest.fixture
def noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Samples that cost nothing."""
    give_samples(monkeypatch, Noise())


def give_samples(monkeypatch: pytest.MonkeyPatch, stream: Noise | FewSamples) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: stream)


@pytest.mark.slow
@pytest.mark.parametrize("task", SHIPPED)
def test_two_hundred_steps_lower_every_loss(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_samples(monkeypatch, FewSamples(training_data(task, None, 32, seed=0), 4))
    # A slow discriminator, so that the features that are to match stay what they are, and enough weight to be heard.
    rates = ("optimiser.learning_rate=2e-3", "optimiser.discriminator_rate=0.1")
    changes = (*rates, "schedule.length=200", "output.log_every=20", "output.pictures_every=0")
    if preset(task).objective.wants_discriminator:
        changes = (*changes, "objective.feature_matching=1")
    train(tiny_config(*changes, task=task), tmp_path)
    first, *_, last = rows(tmp_path)
    # What one of two opponents wins the other loses: of their terms the sum of the discriminator's has to fall.
    first["discriminator"], last["discriminator"] = (
        row.pop("discriminator_real", 0) + row.pop("discriminator_painted", 0) for row in (first, last)
    )
    active = [name for name, value in first.items() if value and name not in ("step", "rate", "adversarial")]
    assert len(active) >= 3
    assert [name for name in active if last[name] >= first[name]] == []


@pytest.mark.usefixtures("noise")
def test_a_run_says_how_it_was_trained(tmp_path: Path) -> None:
    out = tmp_path / "new" / "run"
    path = train(ONE_STEP, out)
    for name in ("generator.pth", "training.pth"):
        contents = read_checkpoint(out / name)
        assert (contents["step"], contents["task"]) == (1, "pose")
        assert contents["training"]["generator"]["crop_size"] == 32
        assert load_generator(out / name).config == ONE_STEP.generator
    assert path == out / "generator.pth"
    assert tomllib.loads((out / "config.toml").read_text()) == ONE_STEP.to_dict()
    assert json.loads((out / "log.jsonl").read_text().splitlines()[0])["training"] == ONE_STEP.to_dict()
    (row,) = rows(out)
    assert row["step"] == 1
    assert {"reconstruction", "warp", "adversarial", "discriminator_real", "rate"} <= set(row)


@pytest.mark.usefixtures("noise")
def test_pictures_and_curves_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    train(tiny_config("schedule.length=2", "output.pictures_every=2"), tmp_path)
    picture = np.asarray(Image.open(tmp_path / "pictures" / "00000002.png"))
    # Two samples in a batch: exemplar, condition, warp, result and target of each.
    assert picture.shape == (2 * 32, 5 * 32, 3)
    target = ((Noise()[2]["target"] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(picture[:32, -32:], target)
    curves = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in curves.Scalars("warp")] == [1, 2]
    assert [event.step for event in curves.Images("samples")] == [2]


@pytest.mark.usefixtures("noise")
def test_without_tensorboard_a_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch.utils.tensorboard", None)
    train(ONE_STEP, tmp_path)
    assert run_log.NO_TENSORBOARD in capsys.readouterr().err
    assert not (tmp_path / "tensorboard").exists()


@pytest.mark.usefixtures("noise")
def test_without_compiled_kernels_a_run_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("dynast_deploy.plugins.bindings.native.available", lambda: False)
    train(ONE_STEP, tmp_path)
    assert "plain PyTorch" in capsys.readouterr().err


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_weights_and_their_average_stay_float32(precision: str, tmp_path: Path) -> None:
    train(tiny_config("schedule.length=2", f"optimiser.precision={precision}"), tmp_path)
    contents = read_checkpoint(tmp_path / "training.pth")
    for weights in (contents["generator"], contents["training_state"]["generator"]):
        assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in weights.values())
        assert all(tensor.isfinite().all() for tensor in weights.values())
    assert all(np.isfinite(list(row.values())).all() for row in rows(tmp_path))


@pytest.mark.usefixtures("noise")
def test_training_goes_on_from_a_checkpoint_of_another_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    start = Generator(ONE_STEP.generator)
    save_generator(start, tmp_path / "start.pth")
    larger = replace(ONE_STEP.generator, crop_size=48)
    give_samples(monkeypatch, Noise(size=48))
    # At this rate a step moves no weight by more than a thousandth, so what comes out is what went in.
    config = replace(ONE_STEP, generator=larger, optimiser=replace(ONE_STEP.optimiser, learning_rate=1e-6))
    result = load_generator(train(config, tmp_path / "run", tmp_path / "start.pth"))
    assert result.config == larger
    assert result.pos_embed.shape[-2:] == (6, 6)
    started = dict(start.named_parameters())
    for name, parameter in result.named_parameters():
        if name != "pos_embed":
            assert torch.allclose(parameter, started[name], atol=1e-3), name


def test_a_start_of_other_widths_is_refused_by_name(tmp_path: Path) -> None:
    save_generator(Generator(replace(ONE_STEP.generator, ngf=8)), tmp_path / "start.pth")
    with pytest.raises(DynastError, match=r"start\.pth does not fit the generator: .* has shape"):
        train(ONE_STEP, tmp_path / "run", tmp_path / "start.pth")


@pytest.mark.usefixtures("noise")
def test_divergence_stops_with_one_line_and_keeps_the_last_checkpoints(tmp_path: Path) -> None:
    train(ONE_STEP, tmp_path)
    kept = {name: (tmp_path / name).read_bytes() for name in ("generator.pth", "training.pth")}
    hot = tiny_config("schedule.length=20", "optimiser.learning_rate=1e30", "schedule.warmup=0")
    with pytest.raises(DynastError, match=r"diverged at step .* lower optimiser\.learning_rate") as caught:
        train(hot, tmp_path, resume=True)
    assert str(tmp_path / "training.pth") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert {name: (tmp_path / name).read_bytes() for name in kept} == kept
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_damaged_sample_is_named_and_the_last_checkpoint_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_samples(monkeypatch, Noise(damaged=(5,)))
    with pytest.raises(DynastError, match="diverged at step 3 .* the cause is in noise 5; fix or remove"):
        train(tiny_config("schedule.length=9", "output.save_every=2"), tmp_path)
    assert read_checkpoint(tmp_path / "training.pth")["step"] == 2


def test_a_sample_that_only_the_network_turns_into_no_number_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Huge(Noise):
        def __getitem__(self, index: int):  # type: ignore[no-untyped-def]
            sample = super().__getitem__(index)
            if index == 1:
                sample["exemplar"] = sample["exemplar"] * 1e30
            return sample

    give_samples(monkeypatch, Huge())
    with pytest.raises(DynastError, match="diverged at step 1 .* the cause is in noise 1; fix or remove"):
        train(ONE_STEP, tmp_path)


@pytest.mark.usefixtures("noise")
def test_states_are_kept_on_the_way(tmp_path: Path) -> None:
    train(tiny_config("schedule.length=3", "output.keep_every=2", "output.save_every=0"), tmp_path)
    kept = sorted(path.name for path in tmp_path.glob("*.pth"))
    assert kept == ["generator-00000002.pth", "generator.pth", "training-00000002.pth", "training.pth"]
    assert read_checkpoint(tmp_path / "training-00000002.pth")["step"] == 2


@pytest.mark.usefixtures("noise")
def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path) -> None:
    train(ONE_STEP, tmp_path)
    with pytest.raises(DynastError, match="holds a run already; go on with it by --resume"):
        train(ONE_STEP, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DynastError, match="out: the folder cannot be made"):
        train(ONE_STEP, tmp_path / "out")
