"""Sources of training data by name."""

from __future__ import annotations

from pathlib import Path

from dynast_deploy.config import Task
from dynast_deploy.data.augment import Augmentation
from dynast_deploy.data.damage import DataError
from dynast_deploy.data.sample import SampleStream
from dynast_deploy.tasks import spec_of

SHIPPED = {task: spec_of(task).shipped for task in Task}
"""The source that comes with the package, drawn on the fly, for each task."""


def training_data(
    task: Task,
    source: str | Path | None,
    size: int,
    seed: int,
    held_out: bool = False,
    augmentation: Augmentation | None = None,
) -> SampleStream:
    """The samples of a task.

    Args:
        source: The name of a shipped source (see `SHIPPED`), a folder with a data set (see docs/data.md), or None for
            the shipped one.
        size: Side of the square pictures in pixels.
        seed: Of everything random: order, pairs, augmentation, identities.
        held_out: The samples that are kept from training instead: other identities and patterns, or the validation
            list of a data set. These are not augmented.
        augmentation: Of pictures from a folder; None for what the published training does.

    Raises:
        DataError: A DynastError, where the source is neither, or a folder does not hold what its layout promises.
    """
    spec = spec_of(task)
    if source is None or str(source) == SHIPPED[task]:
        return spec.drawn_data(size, seed, held_out)
    if str(source) in SHIPPED.values():
        raise DataError(
            f"--data {source} shows no conditions of {task}; the {task} data that ships is {SHIPPED[task]}"
        )
    folder = Path(source)
    if not folder.is_dir():
        raise DataError(
            f"--data {source}: no such folder; give one, or {SHIPPED[task]}, which is drawn on the fly"
        )
    augmentation = augmentation or Augmentation(spec.margin, spec.flip)
    return spec.folder_data(folder, size, seed, held_out, augmentation)
