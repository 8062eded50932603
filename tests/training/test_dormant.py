"""New weights for units that never fire."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.utils.data import default_collate  # noqa: E402
from training_run import Noise, tiny_config  # noqa: E402

from dynast_deploy.checkpoint import load_generator, save_generator  # noqa: E402
from dynast_deploy.generator import Generator  # noqa: E402
from dynast_deploy.training import loop  # noqa: E402
from dynast_deploy.training.dormant import revive  # noqa: E402

CONFIG = tiny_config()


def broken_generator() -> Generator:
    """Two units of one upsampler fire for no input."""
    torch.manual_seed(0)
    generator = Generator(CONFIG.generator)
    with torch.no_grad():
        generator.state_dict()["decoder_43.1.bias"][:2] = -1e3
    return generator


def batch() -> dict[str, Any]:
    return default_collate([Noise()[i] for i in range(2)])


def test_dormant_units_fire_again_and_the_others_keep_their_weights() -> None:
    generator = broken_generator()
    before = {name: value.clone() for name, value in generator.state_dict().items()}
    already = revive(Generator(CONFIG.generator), batch())
    assert 2 <= revive(generator, batch()) <= already + 2
    assert revive(generator, batch()) == 0
    after = generator.state_dict()
    kernel = "decoder_43.1.weight"
    assert not torch.equal(after[kernel][:2], before[kernel][:2])
    assert torch.equal(after[kernel][2:], before[kernel][2:])
    assert torch.equal(after["decoder_10.0.weight"], before["decoder_10.0.weight"])
    assert generator.training


def test_a_run_revives_where_it_is_told_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "training_data", lambda *arguments: Noise())
    save_generator(broken_generator(), tmp_path / "start.pth")
    for told in (False, True):
        changes = (
            "schedule.length=1",
            "optimiser.learning_rate=1e-9",
            f"optimiser.revive={str(told).lower()}",
        )
        trained = loop.train(tiny_config(*changes), tmp_path / str(told), tmp_path / "start.pth")
        bias = load_generator(trained).state_dict()["decoder_43.1.bias"]
        assert bool((bias[:2] > -1).all()) is told
