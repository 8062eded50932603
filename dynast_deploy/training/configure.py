"""The configuration of a run, from what a person gives: task, files, settings, a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.training.config import TrainingConfig
from dynast_deploy.training.presets import preset
from dynast_deploy.training.settings import assigned, read_settings, updated


def configure(
    task: Task | None, files: Sequence[Path], changes: Sequence[str], start_from: Path | None = None
) -> TrainingConfig:
    """The preset of the task, then the architecture of `start_from`, then every file, then every `a.b=value`.

    The task is `task`, else that of the first file that names one, else that of the checkpoint.

    Raises:
        DynastError: Naming the file, setting or checkpoint that does not serve, and where none of them names a task.
    """
    given = [(str(file), read_settings(file)) for file in files]
    given += [(f"--set {change}", assigned(change)) for change in changes]
    stored = None
    if start_from is not None:
        from dynast_deploy.training.warm_start import stored_generator

        stored = stored_generator(start_from)
    chosen = task or _named_task(given) or (stored.task if stored else None)
    if chosen is None:
        raise DynastError(f"say what to train: --task {', '.join(Task)}")
    config = preset(chosen)
    if stored is not None:
        if stored.task is not chosen:
            raise DynastError(
                f"{start_from}: takes conditions of {stored.semantic_nc} channels, those of {chosen} have "
                f"{chosen.semantic_nc}"
            )
        config = replace(config, generator=stored)
    for source, values in given:
        if (other := _named_task([(source, values)])) not in (None, chosen):
            raise DynastError(f"{source}: says task {other}, not {chosen}; name one of them")
        config = updated(config, values, source)
    return config


def _named_task(given: Sequence[tuple[str, Mapping[str, Any]]]) -> Task | None:
    """The first task that is named; None where none names one.

    Raises:
        DynastError: Where the name is not a task's.
    """
    for source, values in given:
        if (name := values.get("task")) is not None:
            if not isinstance(name, str) or name not in list(Task):
                raise DynastError(
                    f"{source}: task is {str(name)[:80]!r}; it must be one of {', '.join(Task)}"
                )
            return Task(name)
    return None
