"""A condition as a picture for people: what the network is told to draw."""

from __future__ import annotations

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.tasks import spec_of


def draw_condition(condition: np.ndarray) -> np.ndarray:
    """A condition uint8 [S, H, W] as a picture uint8 [H, W, 3] in RGB.

    Shows the channels that `TaskSpec.preview` names: the drawn skeleton of a pose (S = 20), all edges of a face
    (S = 15, white on black), the content picture of style transfer (S = 3).

    Raises:
        DynastError: Where the array is of another type, or of as many channels as the conditions of no task have.
    """
    array = np.asarray(condition)
    if array.dtype != np.uint8 or array.ndim != 3:
        raise DynastError(
            f"condition is {array.dtype} {list(array.shape)}; uint8 [channels, height, width] is wanted"
        )
    task = Task.of_channels(len(array))
    if task is None:
        kinds = ", ".join(f"{kind} {kind.semantic_nc}" for kind in Task)
        raise DynastError(f"condition has {len(array)} channels; tasks have {kinds}")
    return np.ascontiguousarray(array[list(spec_of(task).preview)].transpose(1, 2, 0))
