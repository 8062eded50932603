"""The tasks: for each value of `config.Task` a file of the same name that says everything else about it."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dynast_deploy.config import Task
    from dynast_deploy.tasks.spec import TaskSpec


@cache
def spec_of(task: Task) -> TaskSpec:
    """What the file of a task says about it: `SPEC` in `tasks/pose.py` for `Task.POSE`."""
    spec: TaskSpec = import_module(f"{__name__}.{task.value}").SPEC
    return spec
