"""Style transfer: the condition is the content picture itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dynast_deploy.conditions import style_condition
from dynast_deploy.size import Size
from dynast_deploy.tasks.drawing import Drawing, DrawnCondition
from dynast_deploy.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from dynast_deploy.data.augment import Augmentation
    from dynast_deploy.data.sample import SampleStream


class StyleDrawing(Drawing[None]):
    """Resizes pictures."""

    def draw(self, picture: np.ndarray, index: int) -> DrawnCondition:
        """The condition of a picture, see `Drawing.draw`.

        Raises:
            DynastError: Where `picture` is not an RGB picture.
        """
        placed = self.placement.canvas(Size.of(picture)).place(picture)
        return DrawnCondition(style_condition(placed, self.placement.network_size))


def _drawn_data(size: int, seed: int, held_out: bool) -> SampleStream:
    from dynast_deploy.data.style_pictures import ProceduralStyle

    return ProceduralStyle(size, seed, held_out)


def _folder_data(
    folder: Path, size: int, seed: int, held_out: bool, augmentation: Augmentation
) -> SampleStream:
    from dynast_deploy.data.style_pictures import StyleFolders

    return StyleFolders(folder, size, seed, held_out, augmentation)


SPEC = TaskSpec(
    drawing=StyleDrawing,
    source=None,
    preview=(0, 1, 2),
    shipped="procedural-style",
    drawn_data=_drawn_data,
    folder_data=_folder_data,
    objective={
        "reconstruction": 1.0,
        "warp": 1.0,
        "vgg": 0.01,
        "perceptual": 1e-6,
        "contextual": 0.01,
        "style": 0.01,
        "palette": 1.0,
        "structure": 1.0,
        "identity": 1.0,
        "identity_warp": 1.0,
        "identity_features": 0.01,
    },
    margin=286 / 256,
    flip=True,
)
