"""Exact correspondence between two portraits of one person."""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.faces.labels import FaceLayer
from dynast_deploy.synthetic.faces.render import A_REACH, Y_REACH, Y_TOP, Portrait

_NEAR = 0.06
"""Half head heights along the surface between a point and what the nearest pixel shows: a rim spans this much."""


def correspondence(target: Portrait, exemplar: Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of `target` is found in `exemplar`, a portrait of the same person and picture size.

    Returns (float32 [H, W, 2], bool [H, W]): x, y in pixels of the exemplar of the surface point at each target pixel's
    centre, and whether it is visible there. Both are 0 on the backdrop.
    """
    size = len(target.surface)
    at = np.zeros((size, size, 2), np.float32)
    visible = np.zeros((size, size), bool)
    numbers = target.surface[..., 0].astype(np.uint8)
    for layer in FaceLayer:
        ys, xs = np.nonzero(numbers == layer)
        if layer is FaceLayer.BACKDROP or not xs.size:
            continue
        a = target.surface[ys, xs, 1] * A_REACH
        y = target.surface[ys, xs, 2] * Y_REACH + Y_TOP
        across, down, faces = exemplar.scene.place(layer, a, y)
        found = np.stack([across, down], axis=1) * size - 0.5
        at[ys, xs] = found
        visible[ys, xs] = faces & _shown(exemplar, layer, a, y, found)
    return at, visible


def _shown(portrait: Portrait, layer: FaceLayer, a: np.ndarray, y: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the pixels nearest to positions [M, 2] show these very places of the layer."""
    size = len(portrait.surface)
    column, row = np.round(at).astype(np.int64).T
    inside = (column >= 0) & (row >= 0) & (column < size) & (row < size)
    seen = portrait.surface[np.where(inside, row, 0), np.where(inside, column, 0)]
    away = np.hypot(seen[:, 1] * A_REACH - a, seen[:, 2] * Y_REACH + Y_TOP - y)
    near = away < _NEAR if layer not in (FaceLayer.LEFT_EAR, FaceLayer.RIGHT_EAR) else away < 4 * _NEAR
    result: np.ndarray = inside & (seen[:, 0] == layer) & near
    return result
