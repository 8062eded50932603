"""The studio backdrop and the shadow on its floor."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.people.identity import Identity

_FLOOR = 0.80


def paint_backdrop(who: Identity, size: int) -> np.ndarray:
    """uint8 [size, size, 3] RGB: a wall that brightens to its middle and sinks softly into the floor."""
    # As smooth as it is, it is drawn small and enlarged.
    grid = 128
    at = (np.arange(grid, dtype=np.float32) + 0.5) / grid
    x, y = at[None, :], at[:, None]
    glow = 1.03 - 0.07 * ((x - 0.5) ** 2 + (y - 0.4) ** 2) / 0.41
    floor = 1 / (1 + np.exp(-(y - _FLOOR) / 0.018))
    lit = 1.02 - 0.05 * (y - _FLOOR) / (1 - _FLOOR) - 0.06 * (x - 0.5) ** 2 / 0.25
    wall, ground = np.array(who.wall, np.float32), np.array(who.floor, np.float32)
    picture = ((1 - floor) * glow)[..., None] * wall + (floor * lit)[..., None] * ground
    enlarged = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
    result: np.ndarray = np.clip(enlarged + 0.5, 0, 255).astype(np.uint8)
    return result


def shadow_under_feet(
    feet: list[tuple[float, float]], ground: float, scale: float, size: int
) -> tuple[slice, np.ndarray]:
    """Rows of a canvas and the factors float32 [rows, size, 1] by which soft shadows under `feet` darken
    them.

    `feet` are (x, height above the ground), `ground` the floor's line; all as fractions of the canvas's side.
    """
    top = max(0, int((ground - 0.05 * scale) * size))
    bottom = min(size, int((ground + 0.05 * scale) * size))
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    y = (at[top:bottom, None] - ground + 0.004) / (0.017 * scale)
    dark = np.zeros((bottom - top, size), np.float32)
    for foot, height in feet:
        wide = 0.075 * scale * (1 + 3 * height)
        x = (at[None, :] - foot) / wide
        dark += 0.34 / (1 + 14 * height) * np.exp(-(x * x + y * y))
    return slice(top, bottom), (1 - np.minimum(dark, 0.5))[..., None]
