"""Where the exemplar shows the backdrop that lies next to a figure.

A pose does not tell whether a place next to the body shows hair, a skirt or the backdrop: only the exemplar shows that.
So the place where a query looks must follow from the poses alone. It does if the backdrop next to an arm matches the
backdrop next to the exemplar's arm: the query then fetches whatever is there. If the backdrop matched its own place
instead, a query next to the body would need to know the answer before it looks.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

REACH = 20 / 256
"""How far from the figure the backdrop moves with it, in heights of the picture."""

RIM = 3 / 256
"""How deep in the exemplar's figure a point of the target's outline may match and still be its outline, in heights."""


class BackdropMatches(NamedTuple):
    """Of a target's backdrop: near, bool `[H, W]`, what lies within `REACH` of the figure; found, bool `[H, W]`, where
    of these the exemplar shows its own backdrop at the match; matches, float32 `[2, H, W]`, x and y in pixels there."""

    near: np.ndarray
    found: np.ndarray
    matches: np.ndarray


def match_backdrop(
    target: np.ndarray, exemplar: np.ndarray, places: np.ndarray, visible: np.ndarray
) -> BackdropMatches:
    """Match the backdrop near the target's figure.

    A pixel starts from the match of the figure's pixel that is nearest to it, and goes as far outwards from the
    exemplar's outline as it lies from the target's.

    Args:
        target, exemplar: Where each picture shows the figure, bool `[H, W]`.
        places: Matches of the target's figure in the exemplar, float `[2, H, W]`, x and y in pixels.
        visible: Where those are meant and the exemplar shows them, bool `[H, W]`.
    """
    height, width = target.shape
    away = _distance_to(target)
    near = ~target & (away <= REACH * height)
    sources = target & visible
    if not sources.any() or exemplar.all():
        return BackdropMatches(near, np.zeros_like(near), places.astype(np.float32))
    of_source, nearest = _nearest(sources)
    start = places.reshape(2, -1)[:, nearest]
    depth = cv2.GaussianBlur(_distance_to(~exemplar) - _distance_to(exemplar), (0, 0), 1.0)
    down, across = np.gradient(depth)
    at, _ = _pixels(start, height, width)
    outwards = -np.stack([across[at], down[at]])
    matches = start + of_source * outwards / np.maximum(np.hypot(*outwards), 1e-6)
    there, inside = _pixels(matches, height, width)
    # Next to a part that the exemplar hides, or that lies before other parts there, nothing is known.
    at_outline = (of_source - away < 1.5) & (depth[at] < RIM * height)
    return BackdropMatches(near, near & at_outline & inside & ~exemplar[there], matches.astype(np.float32))


def _distance_to(figure: np.ndarray) -> np.ndarray:
    """How far each pixel is from the figure `[H, W]`, float32 in pixels."""
    return cv2.distanceTransform((~figure).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)


def _nearest(sources: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel how far the nearest of the sources `[H, W]` is, and its number in the flattened picture."""
    away, labels = cv2.distanceTransformWithLabels(
        (~sources).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    numbers = np.zeros(labels.max() + 1, np.intp)
    numbers[labels[sources]] = np.flatnonzero(sources)
    return away, numbers[labels]


def _pixels(places: np.ndarray, height: int, width: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Rows and columns of the pixels at `places [2, H, W]`, moved into the picture, and which lay inside."""
    x, y = np.rint(places)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    rows, columns = (np.clip(p, 0, size - 1).astype(np.intp) for p, size in ((y, height), (x, width)))
    return (rows, columns), inside
