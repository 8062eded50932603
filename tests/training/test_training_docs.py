"""docs/training.md describes every term of the objective, with the weights that the presets have."""

from __future__ import annotations

import pytest
from checkout import ROOT

from dynast_deploy.config import Task
from dynast_deploy.objective.config import ObjectiveConfig
from dynast_deploy.training.presets import preset

PAGE = ROOT / "docs" / "training.md"


def table() -> dict[str, tuple[float, float]]:
    """Weights of pose and face, and of style, by term, as the page gives them."""
    objective = PAGE.read_text().split("## The objective\n")[1].split("\n## ")[0]
    rows = [line.strip("| \n").split(" | ") for line in objective.splitlines() if line.startswith("| `")]
    return {row[0].strip("`"): (float(row[-2]), float(row[-1])) for row in rows}


def test_the_table_has_every_term() -> None:
    assert list(table()) == list(ObjectiveConfig().weights())


@pytest.mark.parametrize("task", list(Task))
def test_the_weights_are_the_presets(task: Task) -> None:
    column = 1 if task is Task.STYLE else 0
    assert {name: weights[column] for name, weights in table().items()} == preset(task).objective.weights()
