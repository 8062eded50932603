"""Faces: conditions are drawn from masks of the parts of a face, and from the edges of the picture around it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dynast_deploy.condition_options import ConditionOptions
from dynast_deploy.conditions import face_condition
from dynast_deploy.conditions.canvas import Canvas
from dynast_deploy.face_parts import PartSource, find_parts_beside, parts_beside, resolve_parts
from dynast_deploy.objective.config import SUPERVISED
from dynast_deploy.size import Size
from dynast_deploy.tasks.drawing import Drawing, DrawnCondition, Placement
from dynast_deploy.tasks.spec import SourceSpec, TaskSpec

if TYPE_CHECKING:
    from dynast_deploy.data.augment import Augmentation
    from dynast_deploy.data.sample import SampleStream


class _Placed(Mapping[str, np.ndarray]):
    """Masks on their canvases, each placed when it is asked for: of large ones a single one is in memory."""

    def __init__(self, masks: Mapping[str, np.ndarray], canvas: Callable[[Size], Canvas]) -> None:
        self._masks, self._canvas = masks, canvas

    def __getitem__(self, part: str) -> np.ndarray:
        mask = self._masks[part]
        return self._canvas(Size.of(mask)).place(mask.astype(np.uint8))

    def __contains__(self, part: object) -> bool:
        return part in self._masks

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)


class FaceDrawing(Drawing[PartSource]):
    """Draws outlines and distance maps. Masks of another size than the picture lie on a canvas of their own."""

    def __init__(self, placement: Placement, source: PartSource) -> None:
        super().__init__(placement, source)
        self._last: dict[str, np.ndarray] | None = None

    def draw(self, picture: np.ndarray, index: int) -> DrawnCondition:
        """The condition of frame `index`, see `Drawing.draw`.

        Raises:
            DynastError: Where there are no masks for the frame, or masks of another shape than the picture.
        """
        canvas = self.placement.canvas
        photo = canvas(Size.of(picture)).place(picture)
        found = self.source.masks(index, picture)
        masks, empty = self.or_last(found, bool(found), self._last)
        self._last = None if empty else masks
        condition = face_condition(_Placed(masks, canvas), photo, self.placement.network_size)
        return DrawnCondition(condition, empty=empty)


def _open(
    media: Path,
    given: Path | None,
    options: ConditionOptions,
    option: str,
    pictures: Sequence[Path] | None,
    shares_name: bool,
) -> PartSource:
    return resolve_parts(media, given, option, pictures, shares_name)


def _has_own_file(picture: Path, options: ConditionOptions) -> bool:
    sidecar = parts_beside(picture, is_picture=True)
    if sidecar is not None:
        sidecar.close()
    return sidecar is not None


def _drawn_data(size: int, seed: int, held_out: bool) -> SampleStream:
    from dynast_deploy.data.drawn_faces import DrawnFaces

    return DrawnFaces(size, seed, held_out)


def _folder_data(
    folder: Path, size: int, seed: int, held_out: bool, augmentation: Augmentation
) -> SampleStream:
    from dynast_deploy.data.celebamask import CelebAMask

    return CelebAMask(folder, size, seed, held_out, augmentation)


SPEC = TaskSpec(
    drawing=FaceDrawing,
    source=SourceSpec(
        kind=PartSource,
        options=("parts", "exemplar_parts"),
        absent="no parts of a face; leave --parts and --exemplar-parts out",
        open=_open,
        find_beside=find_parts_beside,
        has_own_file=_has_own_file,
        folder_by_name=True,
    ),
    preview=(0, 0, 0),
    shipped="drawn-faces",
    drawn_data=_drawn_data,
    folder_data=_folder_data,
    objective={**SUPERVISED, "contextual": 0.01, "style": 0.01, "palette": 1.0},
    margin=286 / 256,
    flip=True,
)
