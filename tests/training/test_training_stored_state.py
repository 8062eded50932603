"""A damaged `training.pth` is refused in one line, before anything goes on from it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_run import tiny_config

from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator
from dynast_deploy.objective.objective import Objective
from dynast_deploy.training.networks import Networks
from dynast_deploy.training.processes import processes
from dynast_deploy.training.run_files import restore_run, save_run


@pytest.fixture(scope="module")
def networks() -> Any:
    config = tiny_config()
    torch.manual_seed(0)
    with processes() as group:
        made = Networks(config, Objective(config.objective, None), Generator(config.generator), group)
        for parameter in made.generator.parameters():
            parameter.grad = torch.zeros_like(parameter)
        made.optimisers["generator"].step()
        yield made


def moments(contents: dict[str, Any]) -> dict[Any, Any]:
    return contents["training_state"]["optimisers"]["generator"]["state"]


DAMAGED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "no step": (lambda c: c.pop("step"), "after which step"),
    "a negative step": (lambda c: c.update(step=-1), "after which step"),
    "a list for a state": (lambda c: c.update(training_state=[1]), "training_state is not a table"),
    "no generator": (lambda c: c["training_state"].pop("generator"), "are not a table"),
    "whole numbers for weights": (
        lambda c: c["training_state"]["generator"].update(pos_embed=torch.zeros(3, dtype=torch.int8)),
        "pos_embed is int8",
    ),
    "no optimisers": (lambda c: c["training_state"].pop("optimisers"), "optimisers is missing"),
    "moments of another shape": (
        lambda c: moments(c)[0].update(exp_avg=torch.zeros(7)),
        "exp_avg of parameter 0 is not a finite tensor",
    ),
    "moments that are not numbers": (
        lambda c: moments(c)[0]["exp_avg_sq"].fill_(torch.nan),
        "exp_avg_sq of parameter 0 is not a finite tensor",
    ),
    "moments of one parameter only": (lambda c: moments(c).pop(0), "parameters, and"),
    "short random states": (
        lambda c: c["training_state"].update(random=[[torch.zeros(3, dtype=torch.uint8)]]),
        "of another length",
    ),
    "no log": (lambda c: c["training_state"].update(log=None), "sums of its log is missing"),
    "a log of text": (lambda c: c["training_state"]["log"].update(sums={"warp": "1"}), "are not numbers"),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_state_is_refused(kind: str, networks: Networks, tmp_path: Path) -> None:
    damage, words = DAMAGED[kind]
    save_run(networks, tmp_path, {"sums": {"warp": torch.tensor(1.0, dtype=torch.float64)}, "steps": 1})
    contents = copy.deepcopy(torch.load(tmp_path / "training.pth", weights_only=True))
    damage(contents)
    torch.save(contents, tmp_path / "training.pth")
    with pytest.raises(DynastError, match=words) as refused:
        restore_run(networks, tmp_path)
    assert "training.pth" in str(refused.value)


def test_what_was_saved_is_restored(networks: Networks, tmp_path: Path) -> None:
    save_run(networks, tmp_path, {"sums": {"warp": torch.tensor(2.0, dtype=torch.float64)}, "steps": 1})
    before = copy.deepcopy(networks.contents())
    log = restore_run(networks, tmp_path)
    assert (float(log["sums"]["warp"]), log["steps"]) == (2.0, 1)
    after = networks.contents()["optimisers"]["generator"]["state"]
    for number, means in before["optimisers"]["generator"]["state"].items():
        assert torch.equal(after[number]["exp_avg"], means["exp_avg"])
