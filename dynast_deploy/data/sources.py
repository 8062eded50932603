"""Sources of training data by name."""

from __future__ import annotations

from collections.abc import Callable

from dynast_deploy.config import Task
from dynast_deploy.data.sample import SampleStream
from dynast_deploy.errors import DynastError

SHIPPED = {Task.POSE: "marionette", Task.FACE: "drawn-faces"}
"""The source that comes with the package, drawn on the fly, for each task."""


def training_data(
    task: Task, source: str | None, size: int, seed: int, held_out: bool = False
) -> SampleStream:
    """The samples of a task.

    Args:
        source: The name of a shipped source (see `SHIPPED`), a folder with a data set, or None for the shipped one.
        size: Side of the square pictures in pixels.
        seed: Of everything random: order, pairs, augmentation, identities.
        held_out: The samples that are kept from training instead: other identities and patterns, or the validation
            list of a data set. These are not augmented.

    Raises DynastError where the source is neither, or a folder does not hold what its layout promises.
    """
    source = source or SHIPPED[task]
    if source == SHIPPED.get(task):
        return _shipped(task)(size, seed, held_out)
    raise DynastError(
        f"--data {source}: no such folder, and {task} data that ships is called {SHIPPED[task]}"
    )


def _shipped(task: Task) -> Callable[[int, int, bool], SampleStream]:
    from dynast_deploy.data.drawn_faces import DrawnFaces
    from dynast_deploy.data.marionette_poses import MarionettePoses

    return {Task.POSE: MarionettePoses, Task.FACE: DrawnFaces}[task]
