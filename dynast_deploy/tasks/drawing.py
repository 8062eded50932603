"""What every task's drawing of conditions shares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np

from dynast_deploy.condition_options import Crop, Fit
from dynast_deploy.conditions.canvas import Canvas
from dynast_deploy.conditions.crop import Box
from dynast_deploy.size import Size

T = TypeVar("T")
Source = TypeVar("Source")


@dataclass(frozen=True)
class DrawnCondition:
    """One condition.

    Attributes:
        condition: uint8 `[S, H, W]`.
        keypoints: float32 `[18, 3]` in the picture's pixels; None where the task has none.
        empty: Whether there is nothing in the picture that could be drawn.
        box: The part of the picture that the condition shows, None where that is all of it.
    """

    condition: np.ndarray
    keypoints: np.ndarray | None = None
    empty: bool = False
    box: Box | None = None


@dataclass(frozen=True)
class Placement:
    """How pictures are placed on the network's picture."""

    network_size: Size
    fit: Fit = Fit.PAD
    crop: Crop = Crop.NONE

    def canvas(self, picture_size: Size) -> Canvas:
        """How a picture of this size lies on the network's picture."""
        return Canvas.around(picture_size, self.network_size, self.fit)


class Drawing(ABC, Generic[Source]):
    """Draws the conditions of one video or of one series of pictures, in the order of the frames.

    A frame in which nothing is detected keeps what the frame before showed (`held` counts those); before anything was
    detected it is drawn empty (`empty` counts those).
    """

    crops: ClassVar[bool] = False
    """Whether `Crop.PERSON` can be drawn."""

    def __init__(self, placement: Placement, source: Source) -> None:
        self.placement, self.source = placement, source
        self.held = self.empty = 0

    @abstractmethod
    def draw(self, picture: np.ndarray, index: int) -> DrawnCondition:
        """The condition of frame `index`, from 0, of which `picture` is uint8 `[h, w, 3]` in RGB.

        Raises:
            DynastError: Where the source has nothing for the frame, or something that does not fit it.
        """

    def look_ahead(self, picture_size: Size) -> None:
        """Prepare for a video of pictures of this size. Called before the first frame, if at all."""

    def draw_exemplar(self, picture: np.ndarray, source: str) -> DrawnCondition:
        """The condition of an exemplar uint8 `[h, w, 3]`, which `source` names in messages.

        Raises:
            DynastError: Where nothing can be drawn of it.
        """
        return self.draw(picture, 0)

    def or_last(self, found: T, seen: bool, last: T | None) -> tuple[T, bool]:
        """What was found, or what was seen last instead; and whether there is neither."""
        if seen:
            return found, False
        if last is not None:
            self.held += 1
            return last, False
        self.empty += 1
        return found, True
