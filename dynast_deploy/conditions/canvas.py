"""How a picture of any shape lies on the network's picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image

from dynast_deploy.condition_options import Fit
from dynast_deploy.size import MAX_SIDE, Size

MOST_PIXELS = 1 << 26
"""A larger canvas (8192x8192), as panoramas and thin pictures need it, is reduced before it is drawn on."""

REDUCED_PIXELS = 1 << 24


@dataclass(frozen=True)
class Canvas:
    """A picture of `width` x `height` pixels with a margin of (`left`, `top`, `right`, `bottom`) around it.

    The whole, margin included, is resized to the network's picture. It may be too large to be drawn on; `drawn` is what
    the picture and its keypoints are placed on.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    right: int = 0
    bottom: int = 0

    @classmethod
    def around(cls, picture_size: Size, network_size: Size, fit: Fit) -> Canvas:
        """The canvas of a picture, for a network that draws pictures of `network_size`."""
        height, width = picture_size
        network_height, network_width = network_size
        if fit is Fit.STRETCH:
            return cls(width, height)
        # The smallest canvas of the network's shape that holds the picture.
        extra_width = max(0, round(height * network_width / network_height) - width)
        extra_height = max(0, round(width * network_height / network_width) - height)
        left, top = extra_width // 2, extra_height // 2
        return cls(width, height, left, top, extra_width - left, extra_height - top)

    @property
    def size(self) -> Size:
        """The size with the margin."""
        return Size(self.top + self.height + self.bottom, self.left + self.width + self.right)

    @property
    def drawn(self) -> Canvas:
        """The canvas that is drawn on: this one, or a reduced one where it is too large for the memory."""
        height, width = self.size
        if width * height <= MOST_PIXELS and max(width, height) <= MAX_SIDE:
            return self
        scale = (REDUCED_PIXELS / (width * height)) ** 0.5
        scale = min(scale, MAX_SIDE / max(width, height))
        left, top, right, bottom = (
            int(each * scale) for each in (self.left, self.top, self.right, self.bottom)
        )
        return Canvas(
            max(1, round(self.width * scale)), max(1, round(self.height * scale)), left, top, right, bottom
        )

    def place(self, picture: np.ndarray) -> np.ndarray:
        """uint8 `[height, width(, 3)]` with the margin, which repeats the border, as large as `drawn` is."""
        drawn = self.drawn
        if drawn is not self:
            size = drawn.width, drawn.height
            picture = np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
        margins = (drawn.top, drawn.bottom, drawn.left, drawn.right)
        return cv2.copyMakeBorder(picture, *margins, cv2.BORDER_REPLICATE) if any(margins) else picture

    def place_keypoints(self, keypoints: np.ndarray) -> np.ndarray:
        """float32 `[18, 3]` (x, y, score) in pixels of the picture, moved to `drawn`."""
        drawn = self.drawn
        if drawn is not self:
            keypoints = keypoints * np.array(
                [drawn.width / self.width, drawn.height / self.height, 1], np.float32
            )
        return keypoints + np.array([drawn.left, drawn.top, 0], np.float32)

    def result_size(self, network_size: Size) -> Size:
        """The size of the result in the picture's own proportions, as large as the network drew it."""
        (network_height, network_width), (whole_height, whole_width) = network_size, self.size
        if (
            self.size == (self.height, self.width)
            and self.width * network_height != self.height * network_width
        ):
            # Stretched: the longer side stays, the other one shrinks back to proportion.
            scale = min(network_width / self.width, network_height / self.height)
            return Size(max(1, round(self.height * scale)), max(1, round(self.width * scale)))
        return Size(
            max(1, round(network_height * self.height / whole_height)),
            max(1, round(network_width * self.width / whole_width)),
        )

    def cut_out(self, image: np.ndarray) -> np.ndarray:
        """What the network drew, uint8 `[H, W, 3]`, without the margin and in the picture's proportions."""
        network = Size.of(image)
        size = self.result_size(network)
        if self.size == (self.height, self.width):
            if size == network:
                return image
            return cv2.resize(image, size.width_height, interpolation=cv2.INTER_AREA)
        height, width = size
        whole_height, whole_width = self.size
        left = min(round(network.width * self.left / whole_width), network.width - width)
        top = min(round(network.height * self.top / whole_height), network.height - height)
        return image[top : top + height, left : left + width]
