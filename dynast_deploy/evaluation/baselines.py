"""Painting without a network: what a trained model has to beat."""

from __future__ import annotations

import numpy as np

_BITS = 6


def parts_of(surface: np.ndarray) -> np.ndarray:
    """Which part every pixel shows, int `[H, W]`, 0 on the background, of a surface code `[9, H, W]`."""
    bits = (surface[:_BITS] > 0).astype(np.intp)
    part = (bits << np.arange(_BITS)[:, None, None]).sum(0)
    return np.where(surface[-1] > 0.5, part, 0)


def part_colours(exemplar: np.ndarray, shown: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Every part of the target in its mean colour in the exemplar, before the exemplar's background.

    Args:
        exemplar: uint8 `[H, W, 3]`.
        shown: The exemplar's parts, int `[H, W]`, 0 on the background.
        wanted: The target's parts: its true silhouette, which no model is given.

    Returns:
        uint8 `[H, W, 3]`. A part that the exemplar hides gets the mean of all parts; background that lies behind the
        exemplar's figure gets the background's mean.
    """
    painted = np.empty(exemplar.shape, np.float64)
    background = shown == 0
    for part in np.unique(wanted):
        where = shown == part
        if not where.any():
            where = ~background if part and not background.all() else np.ones_like(background)
        painted[wanted == part] = exemplar[where].mean(0)
    both = background & (wanted == 0)
    painted[both] = exemplar[both]
    return np.rint(painted).astype(np.uint8)
