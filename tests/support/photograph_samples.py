"""Samples of the miniature data sets of photographs, read as training reads them. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from miniature_data import write_celebamask, write_deepfashion, write_style_folders

from dynast_deploy.config import Task
from dynast_deploy.data import Sample
from dynast_deploy.tasks.training_data import training_data

SIZE = 32
WRITERS: dict[Task, Callable[[Path], object]] = {
    Task.POSE: write_deepfashion,
    Task.FACE: write_celebamask,
    Task.STYLE: write_style_folders,
}


def first_epoch(task: Task, root: Path, **how: object) -> dict[str, Sample]:
    stream = training_data(task, root, SIZE, seed=0, **how)  # type: ignore[arg-type]
    assert stream.entries is not None
    return {sample["name"]: sample for sample in (stream[n] for n in range(stream.entries))}
