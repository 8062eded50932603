"""The configuration that a task starts from."""

from __future__ import annotations

from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.objective.config import ObjectiveConfig
from dynast_deploy.tasks import spec_of
from dynast_deploy.training.config import TrainingConfig


def preset(task: Task) -> TrainingConfig:
    """The defaults of every setting, with the task's conditions and the weights of its objective.

    Architecture is the published one; rates, schedule and batch are for a run of hours on one machine. The published
    run itself is `examples/published-pose.toml`.
    """
    return TrainingConfig(
        task=task,
        generator=GeneratorConfig(task.semantic_nc),
        objective=ObjectiveConfig.from_dict(spec_of(task).objective),
    )
