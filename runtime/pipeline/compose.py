"""From the network's image to the picture that is written."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.conditions import tensor_picture
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.size import Size


class Composer:
    """Turns the network's image into the picture that is written.

    With `exemplar`, uint8 `[., ., 3]`, it is set between the exemplar and the driving picture: exemplar, driving
    picture, result.
    """

    def __init__(self, drawer: ConditionDrawer, exemplar: np.ndarray | None) -> None:
        self.drawer, self.exemplar = drawer, exemplar

    def size(self, picture_size: Size) -> Size:
        """The size of what is written for a driving picture of this size."""
        picture_size = self.drawer.shown_size(picture_size)
        height, width = self.drawer.canvas(picture_size).result_size(self.drawer.network_size)
        if self.exemplar is None:
            return Size(height, width)
        others = _scaled_width(Size.of(self.exemplar), height) + _scaled_width(picture_size, height)
        return Size(height, others + width)

    def kept(self, picture: np.ndarray) -> np.ndarray:
        """What `compose` needs of a driving picture until its turn comes: without an exemplar its shape alone."""
        return picture if self.exemplar is not None else np.broadcast_to(np.uint8(0), picture.shape)

    def compose(self, image: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """image `[3, H, W]`, float32 in -1..1 or uint8, driving picture uint8 `[h, w, 3]` -> uint8 `[., ., 3]`.

        Of a picture that is cropped, what is rendered of it is the driving picture.
        """
        canvas = self.drawer.canvas(Size.of(picture))
        made = image.transpose(1, 2, 0) if image.dtype == np.uint8 else tensor_picture(image)
        result = canvas.cut_out(made)
        if self.exemplar is None:
            return result
        height = result.shape[0]
        return np.hstack([_scaled(self.exemplar, height), _scaled(picture, height), result])


def _scaled_width(size: Size, height: int) -> int:
    return max(1, round(size.width * height / size.height))


def _scaled(picture: np.ndarray, height: int) -> np.ndarray:
    width = _scaled_width(Size.of(picture), height)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
