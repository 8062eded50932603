"""From a picture to the condition that the network sees, for every task."""

from __future__ import annotations

from types import NoneType

import numpy as np

from dynast_deploy.condition_input import ConditionInput
from dynast_deploy.condition_options import Crop, Fit
from dynast_deploy.conditions import picture_tensor
from dynast_deploy.conditions.canvas import Canvas
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.size import Size
from dynast_deploy.tasks import spec_of
from dynast_deploy.tasks.drawing import DrawnCondition, Placement

SMALLEST_SIDE = 16
"""Pixels; a picture smaller than this shows nothing that could be matched."""


class ConditionDrawer:
    """Draws conditions for one task and network size; belongs to one video or one row of pictures.

    What is drawn, and from what, says the task's file in `tasks`. With `Crop.PERSON` a picture is what a steady box
    around the person shows, in the network's shape.
    """

    def __init__(
        self,
        task: Task,
        network_size: Size,
        fit: Fit = Fit.PAD,
        source: ConditionInput | None = None,
        crop: Crop = Crop.NONE,
    ) -> None:
        """`source` is of the kind that the task draws from, None where that is the picture alone.

        Raises:
            ValueError: Where `source` or `crop` is not the task's.
        """
        spec = spec_of(task)
        if not isinstance(source, spec.source.kind if spec.source else NoneType):
            raise ValueError(f"the source of {task} conditions cannot be {type(source).__name__}")
        if crop is Crop.PERSON and not spec.drawing.crops:
            raise ValueError(f"{task} conditions show no person to crop around")
        self.task, self.network_size, self.source, self.crop = task, network_size, source, crop
        self._placement = Placement(network_size, fit, crop)
        self._drawing = spec.drawing(self._placement, source)

    @property
    def held(self) -> int:
        """Frames in which nothing was detected and that show what the frame before showed."""
        return self._drawing.held

    @property
    def empty(self) -> int:
        """Frames before anything was detected."""
        return self._drawing.empty

    def look_ahead(self, picture_size: Size) -> None:
        """Prepare for a video of pictures of this size, where its poses are known beforehand."""
        self._drawing.look_ahead(picture_size)

    def shown_size(self, picture_size: Size) -> Size:
        """The size of what is rendered of a picture of this size: all of it, or the box."""
        return picture_size if self.crop is Crop.NONE else self.network_size

    def shown(self, picture: np.ndarray, drawn: DrawnCondition) -> np.ndarray:
        """What is rendered of a picture uint8 `[h, w, 3]`: all of it, or its box at the network's size."""
        return picture if drawn.box is None else drawn.box.cut(picture, self.network_size)

    def canvas(self, picture_size: Size) -> Canvas:
        """How a picture of this size, of `shown_size` where it is cropped, lies on the network's picture."""
        return self._placement.canvas(picture_size)

    def draw(self, picture: np.ndarray, index: int) -> DrawnCondition:
        """The condition of picture number `index`, uint8 `[height, width, 3]` RGB."""
        return self._drawing.draw(picture, index)

    def exemplar(self, picture: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray]:
        """The exemplar `[1, 3, H, W]` float32 in -1..1 and its condition `[1, S, H, W]` uint8.

        Raises:
            DynastError: Where the picture is tiny, or nothing can be drawn of it.
        """
        check_exemplar_size(picture, source)
        size = Size.of(picture)
        drawn = self._drawing.draw_exemplar(picture, source)
        if drawn.empty and self.source is not None:
            words = self.source.words
            raise DynastError(
                f"{source}: {words.absent} detected in the exemplar ({words.option}: {self.source.origin}); "
                f"give its {words.wanted} with --exemplar-{words.option} or choose another picture"
            )
        shown = self.canvas(size).place(picture) if drawn.box is None else self.shown(picture, drawn)
        tensor = picture_tensor(shown, self.network_size)
        return tensor[None], drawn.condition[None]

    @property
    def note(self) -> str | None:
        """One line on what the source leaves out."""
        return self.source.note if self.source is not None else None

    def check_frames(self, frames: int) -> None:
        """Check that a source in a file fits a video of so many frames.

        Raises:
            DynastError: Where it has something for another number of frames.
        """
        if self.source is not None:
            self.source.check_frames(frames)


def check_exemplar_size(picture: np.ndarray, source: str) -> None:
    """Check that a picture uint8 `[H, W, 3]` shows enough to be an exemplar.

    Raises:
        DynastError: Where it is too small.
    """
    height, width = picture.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        raise DynastError(
            f"{source}: the exemplar is {width}x{height} pixels; it needs {SMALLEST_SIDE} or more on each side"
        )


def task_of(task: Task | None, channels: int, source: str) -> Task:
    """The task of an engine that says `task` and takes conditions of `channels`.

    Raises:
        DynastError: Where the conditions are of no task, or not of the one that it says.
    """
    task = task or Task.of_channels(channels)
    if task is None or task.semantic_nc != channels:
        kinds = ", ".join(f"{kind} ({kind.semantic_nc})" for kind in Task)
        raise DynastError(
            f"{source}: its conditions have {channels} channels, and can be drawn for {kinds} only"
        )
    return task
