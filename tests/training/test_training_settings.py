"""Settings of a run: presets, files, `--set`, and what is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from checkout import EXAMPLES
from tiny_engine import tiny_generator, write_tiny_checkpoint
from training_run import tiny_config

from dynast_deploy.checkpoint import save_generator
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.training.config import Decay, LengthUnit, TrainingPrecision
from dynast_deploy.training.configure import configure
from dynast_deploy.training.presets import preset
from dynast_deploy.training.schedule import Schedule, update_average
from dynast_deploy.training.settings import updated, write_settings


def settings_file(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("task", Task)
def test_a_written_configuration_is_read_back(task: Task, tmp_path: Path) -> None:
    config = tiny_config(
        "optimiser.precision=bf16",
        'data.source=a "quoted" \\ path',
        "seed=7",
        "optimiser.learning_rate=3e-7",
        task=task,
    )
    write_settings(config, tmp_path / "config.toml")
    assert configure(None, [tmp_path / "config.toml"], []) == config
    assert updated(preset(task), config.to_dict(), "dictionary") == config


def test_later_words_count(tmp_path: Path) -> None:
    file = settings_file(tmp_path, 'task = "face"\n[data]\nbatch = 2\nworkers = 3\n')
    config = configure(None, [file], ["data.batch=5", "data.batch=6", "optimiser.learning_rate=1"])
    assert (config.task, config.generator.semantic_nc) == (Task.FACE, 15)
    assert (config.data.batch, config.data.workers, config.optimiser.learning_rate) == (6, 3, 1.0)
    assert config.objective == preset(Task.FACE).objective


def test_architecture_and_task_come_from_the_checkpoint(tmp_path: Path) -> None:
    checkpoint = write_tiny_checkpoint(tmp_path / "start.pth", semantic_nc=15)
    config = configure(None, [], ["generator.crop_size=64", "generator.smooth=0.5"], checkpoint)
    stored = tiny_generator(15).config
    assert config.task is Task.FACE
    assert (config.generator.ngf, config.generator.n_layers) == (stored.ngf, stored.n_layers)
    assert (config.generator.crop_size, config.generator.smooth) == (64, 0.5)
    with pytest.raises(DynastError, match="conditions of 15 channels, those of pose have 20"):
        configure(Task.POSE, [], [], checkpoint)
    generator = tiny_generator(7)
    save_generator(generator, tmp_path / "odd.pth")
    with pytest.raises(DynastError, match="say what to train: --task pose, face, style"):
        configure(None, [], [], tmp_path / "odd.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("data.bach=2", r"--set data\.bach=2: there is no setting data\.bach; did you mean data\.batch\?"),
        ("colour=2", "there is no setting colour; there are task, .*optimiser"),
        ("data.batch=many", "data.batch is 'many'; it must be a whole number"),
        ("data.batch=2.5", "data.batch is 2.5; it must be a whole number"),
        ("data.batch=true", "data.batch is True; it must be a whole number"),
        ("optimiser.learning_rate=fast", "learning_rate is 'fast'; it must be a number"),
        ("optimiser.learning_rate=nan", "learning_rate is nan; it must be positive"),
        ("optimiser.precision=fp8", "precision is 'fp8'; it must be one of fp32, bf16, fp16"),
        ("data.source=3", "data.source is 3; it must be text"),
        ("data=3", r"data is a table of settings, such as data\.source"),
        ("data.batch", "write a setting and its value"),
        (".batch=3", "write a setting and its value"),
        ("data.batch=-1", "data.batch is -1; it must be positive"),
        ("schedule.length=0", "schedule.length is 0; it must be positive"),
        ("schedule.final_rate=2", "final_rate is 2.0; it must lie in 0..1"),
        ("optimiser.average=1", "average is 1.0; it must be at least 0 and below 1"),
        ("generator.crop_size=36", "crop_size 36 is not a multiple of 8"),
        ("generator.crop_size=16", "training needs 32 or more"),
        ("generator.semantic_nc=15", "conditions of the task pose have 20 channels"),
        ("objective.warp=-1", "the weight warp is -1.0"),
        ("objective.warp_mask=none", "warp_mask is 'none'; it must be one of kept, published"),
        ("task=face", "says task face, not pose; name one of them"),
        ("task=faces", "task is 'faces'; it must be one of pose, face, style"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: str, message: str) -> None:
    with pytest.raises(DynastError, match=message) as caught:
        configure(Task.POSE, [], [change])
    assert str(caught.value).startswith(f"--set {change}: ")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match=r"nowhere\.toml: cannot be read"):
        configure(Task.POSE, [tmp_path / "nowhere.toml"], [])
    with pytest.raises(DynastError, match=r"run\.toml: not a TOML file .* line 1"):
        configure(Task.POSE, [settings_file(tmp_path, "task = pose")], [])
    with pytest.raises(DynastError, match=r"run\.toml: there is no setting generator\.ngff; did you mean"):
        configure(Task.POSE, [settings_file(tmp_path, "[generator]\nngff = 3")], [])
    with pytest.raises(DynastError, match="say what to train"):
        configure(None, [], [])


def test_the_published_run_is_as_the_paper_says() -> None:
    config = configure(None, [EXAMPLES / "published-pose.toml"], [])
    weights = {name: weight for name, weight in config.objective.weights().items() if weight}
    assert weights == {
        "warp": 1000, "vgg": 10, "perceptual": 0.001, "adversarial": 10, "feature_matching": 10
    }  # fmt: skip
    adam = config.optimiser
    assert (adam.learning_rate, adam.generator_rate, adam.discriminator_rate) == (1e-4, 0.5, 2)
    assert (adam.beta1, adam.beta2, adam.precision) == (0, 0.9, TrainingPrecision.FP32)
    schedule = Schedule.of(config.schedule, entries=1000, batch=4)
    assert (schedule.steps, schedule.decay_steps) == (25_000, 5_000)
    rates = [schedule.rate(step) for step in range(25_001)]
    assert rates[:20_001] == [1] * 20_001
    assert rates[22_500] == pytest.approx(0.5)
    assert rates[25_000] == 0
    assert config.generator == preset(Task.POSE).generator
    assert config.data.batch == 4 * config.generator.n_layers  # as many samples as blocks


def test_the_learning_rate_rises_and_falls() -> None:
    schedule = Schedule(steps=100, warmup=10, decay_steps=100, decay=Decay.COSINE, final_rate=0.02)
    rates = [schedule.rate(step) for step in range(101)]
    assert rates[0] == 0.1
    assert max(rates) == rates[9] == rates[10] == 1
    assert rates[55] == pytest.approx(0.51)
    assert rates[100] == pytest.approx(0.02)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


def test_a_length_in_epochs_follows_the_data() -> None:
    config = tiny_config("schedule.unit=epochs", "schedule.length=3", "schedule.decay_length=1").schedule
    assert config.unit is LengthUnit.EPOCHS
    schedule = Schedule.of(config, entries=10, batch=4)
    assert (schedule.steps, schedule.decay_steps) == (9, 3)
    with pytest.raises(DynastError, match="made up without end; set schedule.unit=steps"):
        Schedule.of(config, entries=None, batch=4)


def test_the_average_follows_the_weights_fast_at_first_and_buffers_at_once() -> None:
    average, module = (torch.nn.BatchNorm1d(1) for _ in range(2))
    with torch.no_grad():
        average.weight.fill_(0)
        module.weight.fill_(1)
    module.running_mean.fill_(5)
    update_average(average, module, decay=0.99, step=10)
    assert average.weight.item() == pytest.approx(0.5)  # 10 / (10 + 10)
    assert average.running_mean.item() == 5
    update_average(average, module, decay=0.9, step=1_000_000)
    assert average.weight.item() == pytest.approx(0.55)
    update_average(average, module, decay=0, step=1)
    assert average.weight.item() == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = " + "[" * 50_000 + "]" * 50_000, "nested too deep|not a TOML file"),
        ("seed = 1180591620717411303424", "whole numbers go to 2\\^63"),
        ("[generator]\nn_layers = 100000", "no more than 64"),
        ("[generator]\ncrop_size = 32\ntop_k = 1000", "has 16 keys to match"),
        ("[generator]\nngf = 1000000", "no more than 1,024"),
        ("[data]\nbatch = 1000000000", "no more than 65,536"),
        ("[objective]\ndiscriminator_layers = 1000", "must lie in 1..12"),
        ("task = [1]", "it must be one of"),
    ],
)
def test_settings_beyond_all_bounds_are_refused_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(DynastError, match=words) as refused:
        configure(Task.POSE, [tmp_path / "run.toml"], [])
    assert str(refused.value).startswith(str(tmp_path / "run.toml"))
    assert len(str(refused.value)) < 400
