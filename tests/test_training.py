"""The training loop on marionette pairs, at a size that trains in seconds."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from dynast_deploy.checkpoint import load_generator, read_checkpoint, save_generator  # noqa: E402
from dynast_deploy.config import GeneratorConfig  # noqa: E402
from dynast_deploy.errors import DynastError  # noqa: E402
from dynast_deploy.generator import Generator  # noqa: E402
from dynast_deploy.marionette import FIRST_EVALUATION_SEED, Identity, Part  # noqa: E402
from dynast_deploy.training import pairs  # noqa: E402
from dynast_deploy.training.pairs import MarionettePairs, Pair, surface_code  # noqa: E402
from dynast_deploy.training.trainer import TrainingConfig, losses, pair_batches, rate, train  # noqa: E402

GENERATOR = GeneratorConfig(
    semantic_nc=20, crop_size=32, ngf=8, max_multi=2, n_layers=1, pos_dim=2, prune_dim=2, smooth=0.1
)
TRAINING = TrainingConfig(size=32, batch=2, steps=1, learning_rate=2e-3, warmup=2, workers=0)


@pytest.fixture(autouse=True)
def _small_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two identities wait for their turn instead of twenty."""
    monkeypatch.setattr(pairs, "POOL", 24)


def first_batch(config: TrainingConfig) -> Pair:
    return next(iter(pair_batches(config)))


def test_thirty_steps_lower_every_loss(tmp_path: Path) -> None:
    config = replace(TRAINING, steps=30)
    torch.manual_seed(config.seed)
    untrained = Generator(GENERATOR)
    trained = load_generator(train(GENERATOR, config, tmp_path)).train()
    unseen = first_batch(replace(config, seed=1, batch=6))
    with torch.no_grad():
        before, after = losses(untrained, unseen), losses(trained, unseen)
    for name, term in before.items():
        assert float(after[name]) < float(term), name


def test_the_checkpoint_and_the_log_say_how_it_was_trained(tmp_path: Path) -> None:
    path = train(GENERATOR, TRAINING, tmp_path / "new" / "run")
    contents = read_checkpoint(path)
    assert contents["step"] == 1
    assert contents["task"] == "pose"
    assert contents["training"]["size"] == 32
    assert load_generator(path).config == GENERATOR
    settings, row = map(json.loads, (tmp_path / "new" / "run" / "log.jsonl").read_text().splitlines())
    assert settings["generator"] == GENERATOR.to_dict()
    assert row["step"] == 1
    assert set(row) == {"step", "seconds", "reconstruction", "warp", "surface"}


def test_training_goes_on_from_a_checkpoint_of_another_size(tmp_path: Path) -> None:
    torch.manual_seed(3)
    start = Generator(GENERATOR)
    save_generator(start, tmp_path / "start.pth")
    larger = replace(GENERATOR, crop_size=48)
    # At this rate a step moves no weight by more than a thousandth, so what comes out is what went in.
    config = replace(TRAINING, size=48, learning_rate=1e-6)
    result = load_generator(train(larger, config, tmp_path / "run", tmp_path / "start.pth"))
    assert result.config == larger
    assert result.pos_embed.shape[-2:] == (6, 6)
    started = dict(start.named_parameters())
    for name, parameter in result.named_parameters():
        if name != "pos_embed":
            assert torch.allclose(parameter, started[name], atol=1e-3), name


def test_a_start_of_other_widths_is_refused_by_name(tmp_path: Path) -> None:
    save_generator(Generator(replace(GENERATOR, ngf=4)), tmp_path / "start.pth")
    with pytest.raises(DynastError, match=r"start\.pth does not fit the generator: .* has shape"):
        train(GENERATOR, TRAINING, tmp_path / "run", tmp_path / "start.pth")


def test_divergence_stops_with_one_line_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    path = train(GENERATOR, TRAINING, tmp_path)
    kept = path.read_bytes()
    with pytest.raises(DynastError, match="diverged at step .* lower the learning rate") as caught:
        train(GENERATOR, replace(TRAINING, steps=20, learning_rate=1e30, warmup=1), tmp_path)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == kept
    assert sorted(file.name for file in tmp_path.iterdir()) == ["generator.pth", "log.jsonl"]


def test_held_out_identities_are_never_trained_on(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds: list[int] = []
    sample = Identity.of_seed

    def of_seed(seed: int) -> Identity:
        seeds.append(seed)
        return sample(seed)

    monkeypatch.setattr(Identity, "of_seed", of_seed)
    next(iter(MarionettePairs(32, seed=5)))
    trained, seeds[:] = set(seeds), []
    next(iter(MarionettePairs(32, seed=5, held_out=True)))
    assert trained
    assert max(trained) < FIRST_EVALUATION_SEED <= min(seeds)


def test_equal_seeds_give_the_same_first_batch_and_others_another() -> None:
    first, again = first_batch(TRAINING), first_batch(TRAINING)
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name]), name
    assert not torch.equal(first["target"], first_batch(replace(TRAINING, seed=1))["target"])


def test_a_pair_shows_one_person_in_two_poses_as_the_generator_takes_them() -> None:
    for pair in islice(MarionettePairs(40, seed=2), 3):
        assert pair["condition"].shape == pair["exemplar_condition"].shape == (20, 40, 40)
        assert pair["target"].shape == pair["exemplar"].shape == (3, 40, 40)
        assert pair["target_surface"].shape == pair["exemplar_surface"].shape == (9, 40, 40)
        assert all(tensor.dtype == torch.float32 for tensor in pair.values())
        assert 0 <= pair["condition"].min() <= pair["condition"].max() <= 1
        assert -1 <= pair["target"].min() < 0 < pair["target"].max() <= 1
        assert not torch.equal(pair["condition"], pair["exemplar_condition"])


@pytest.mark.parametrize("size", [8, 24, 64, 256])
def test_a_surface_code_holds_the_nearest_point_at_every_size(size: int) -> None:
    ramp = np.linspace(-1, 1, 256, dtype=np.float32)
    surface = np.stack([np.full((256, 256), max(Part), np.float32), *np.meshgrid(ramp, ramp)], axis=-1)
    code = surface_code(surface, size)
    assert code.shape == (9, size, size)
    centres = (np.arange(size) + 0.5) / size * 2 - 1
    np.testing.assert_allclose(code[6, 0], centres, atol=1 / 128)
    assert (code[8] == 1).all()


def test_parts_have_different_codes() -> None:
    surface = np.zeros((len(Part), len(Part), 3), np.float32)
    surface[..., 0] = list(Part)
    codes = surface_code(surface, len(Part))[:6, 0].T
    assert len(np.unique(codes, axis=0)) == len(Part)


def test_the_learning_rate_rises_and_falls() -> None:
    config = replace(TRAINING, steps=100, warmup=10)
    rates = [rate(step, config) for step in range(101)]
    assert rates[0] == 0.1
    assert max(rates) == rates[9] == rates[10] == 1
    assert rates[100] == pytest.approx(config.final_rate)
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 36}, "size 36 must be a multiple of 8"),
        ({"size": 16}, "32 or larger"),
        ({"steps": 0}, "steps is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change: dict, message: str) -> None:
    with pytest.raises(DynastError, match=message):
        replace(TRAINING, **change)


def test_a_generator_of_another_task_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="20 channels, and the generator takes conditions of 15"):
        train(replace(GENERATOR, semantic_nc=15), TRAINING, tmp_path)


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(DynastError, match="out: the folder cannot be made"):
        train(GENERATOR, TRAINING, tmp_path / "out")
