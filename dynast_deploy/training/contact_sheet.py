"""Contact sheets: samples as people look at them."""

from __future__ import annotations

import cv2
import numpy as np
from torch import Tensor

from dynast_deploy.conditions import tensor_picture
from dynast_deploy.data.sample import Sample
from dynast_deploy.tasks.preview import draw_condition

COLUMNS = ("exemplar", "its condition", "condition", "target", "exemplar, matched")
_HEAD, _GAP = 18, 2


def contact_sheet(samples: list[Sample]) -> np.ndarray:
    """uint8 [H, W, 3] RGB: a row for each sample, see `COLUMNS`.

    The last column is the exemplar taken to the target by the true correspondence, black where that is unknown or
    hidden in the exemplar: it must look like the target. It is left out where no sample knows its correspondence.

    Raises:
        DynastError: Where a condition has as many channels as those of no task.
    """
    rows = [_row(sample) for sample in samples]
    if not any(sample["correspondence"][2].any() for sample in samples):
        rows = [row[:-1] for row in rows]
    size, columns = len(rows[0][0]), len(rows[0])
    width = columns * (size + _GAP) - _GAP
    sheet = np.full((_HEAD + len(rows) * (size + _GAP) - _GAP, width, 3), 255, np.uint8)
    for column, title in enumerate(COLUMNS[:columns]):
        _write(sheet, title, column * (size + _GAP), size)
    for number, row in enumerate(rows):
        top = _HEAD + number * (size + _GAP)
        for column, picture in enumerate(row):
            left = column * (size + _GAP)
            sheet[top : top + size, left : left + size] = picture
    return sheet


def warp_by_correspondence(picture: np.ndarray, correspondence: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3]: `picture` of the exemplar (uint8 [H, W, 3]) at the places that `correspondence` (float32
    [3, H, W], see `Sample`) names, bilinear; black where it names none."""
    height, width = picture.shape[:2]
    x, y, visible = correspondence
    warped = cv2.remap(
        picture, x * width - 0.5, y * height - 0.5, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    shown: np.ndarray = warped * (visible > 0)[..., None].astype(np.uint8)
    return shown


def _row(sample: Sample) -> list[np.ndarray]:
    exemplar = tensor_picture(sample["exemplar"].numpy())
    return [
        exemplar,
        _drawn(sample["exemplar_condition"]),
        _drawn(sample["condition"]),
        tensor_picture(sample["target"].numpy()),
        warp_by_correspondence(exemplar, sample["correspondence"].numpy()),
    ]


def _drawn(condition: Tensor) -> np.ndarray:
    return draw_condition(np.rint(condition.numpy() * 255).astype(np.uint8))


def _write(sheet: np.ndarray, title: str, left: int, width: int) -> None:
    """A title over a column, as large as fits it."""
    scale = 0.42
    while scale > 0.1 and cv2.getTextSize(title, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] > width:
        scale -= 0.02
    where = (left + 1, _HEAD - 6)
    cv2.putText(sheet, title, where, cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 1, cv2.LINE_AA)
