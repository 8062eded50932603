"""Small shapes: as soft masks that repeat on cloth, and as prints and logos."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from dynast_deploy.synthetic.common.colours import Colour, darker, lighter

_SHIFT = 4


def shape_mask(shape: str, x: np.ndarray, y: np.ndarray, soft: float) -> np.ndarray:
    """Coverage 0..1 of a shape of radius about 1 around the origin; its edges are `soft` (same unit) wide."""
    r, a = np.hypot(x, y), np.arctan2(x, -y)
    if shape == "star":
        inside = 0.98 - 0.56 * (1 - np.abs((((a * 5 / (2 * np.pi)) + 0.5) % 1.0) * 2 - 1)) - r
    elif shape == "heart":
        sunk = y * 1.05 + 0.12 - 0.62 * np.sqrt(np.abs(x) + 1e-6)
        inside = 0.78 - np.hypot(x * 0.95, sunk)
    elif shape == "flower":
        inside = np.maximum(0.68 + 0.26 * np.cos(a * 5) - r, -1)
    elif shape == "leaf":
        inside = 0.5 - np.abs(x) - 0.5 * y * y
    elif shape == "drop":
        inside = 0.62 - np.hypot(x * (1.1 + 0.55 * np.clip(-y, 0, 1)), y - 0.2 + 0.4 * np.clip(-y, 0, 1))
    elif shape == "cross":
        inside = np.maximum(
            np.minimum(0.26 - np.abs(x), 0.85 - np.abs(y)), np.minimum(0.26 - np.abs(y), 0.85 - np.abs(x))
        )
    elif shape == "ring":
        inside = 0.2 - np.abs(r - 0.6)
    else:
        inside = 0.75 - r
    result: np.ndarray = np.clip(inside / soft + 0.5, 0, 1)
    return result


def draw_print(
    picture: np.ndarray, shape: str, centre: tuple[float, float], radius: float, colour: Colour
) -> None:
    """Draw a print into `picture` (RGB 0..255, uint8 or float32), `centre` and `radius` in its pixels.

    `picture` `[H, W, 3]` is changed.
    """
    second = lighter(colour, 0.55) if sum(colour) < 420 else darker(colour, 0.4)
    cx, cy = centre

    def fill(points: Sequence[tuple[float, float]] | np.ndarray, ink: Colour) -> None:
        at = np.round((np.array([cx, cy]) + np.asarray(points) * radius) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(picture, [at], ink, cv2.LINE_AA, _SHIFT)

    def disc(x: float, y: float, r: float, ink: Colour) -> None:
        a = np.linspace(0, 2 * np.pi, 28, endpoint=False)
        fill(np.stack([x + r * np.sin(a), y - r * np.cos(a)], axis=1), ink)

    if shape == "star":
        corners = np.arange(10) * np.pi / 5
        reach = np.where(np.arange(10) % 2 == 0, 1.0, 0.45)
        fill(np.stack([np.sin(corners) * reach, -np.cos(corners) * reach], axis=1), colour)
    elif shape == "heart":
        t = np.linspace(0, 2 * np.pi, 40)
        x = np.sin(t) ** 3
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)) / 16
        fill(np.stack([x, y], axis=1), colour)
    elif shape == "flower":
        for i in range(6):
            disc(0.58 * np.sin(i * np.pi / 3), 0.58 * np.cos(i * np.pi / 3), 0.4, colour)
        disc(0, 0, 0.34, second)
    elif shape == "sun":
        corners = np.arange(24) * np.pi / 12
        reach = np.where(np.arange(24) % 2 == 0, 1.0, 0.68)
        fill(np.stack([np.sin(corners) * reach, -np.cos(corners) * reach], axis=1), colour)
        disc(0, 0, 0.5, second)
    elif shape == "moon":
        t = np.linspace(0.5, 2 * np.pi - 0.5, 30)
        outer = np.stack([np.cos(t), np.sin(t)], axis=1)
        t = t[::-1]
        inner = np.stack([0.32 + 0.75 * np.cos(t), 0.75 * np.sin(t)], axis=1)
        fill(np.concatenate([outer, inner]), colour)
        disc(0.55, -0.1, 0.14, colour)
    elif shape == "rainbow":
        for r, ink in ((1.0, colour), (0.78, second), (0.56, darker(colour, 0.35))):
            t = np.linspace(np.pi, 2 * np.pi, 24)
            arc = np.stack([np.cos(t), np.sin(t)], axis=1)
            fill(np.concatenate([arc * r, arc[::-1] * (r - 0.2)]) + np.array([0, 0.5]), ink)
    elif shape == "letter":
        bars = [(-0.6, -1, -0.25, 1), (-0.6, -1, 0.6, -0.66), (-0.6, -0.16, 0.4, 0.18), (-0.6, 0.66, 0.6, 1)]
        for x0, y0, x1, y1 in bars:
            fill([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)
    elif shape == "cat":
        disc(0, 0.15, 0.75, colour)
        fill([(-0.72, 0.1), (-0.7, -0.95), (-0.12, -0.5)], colour)
        fill([(0.72, 0.1), (0.7, -0.95), (0.12, -0.5)], colour)
        disc(-0.28, 0.05, 0.12, second)
        disc(0.28, 0.05, 0.12, second)
        fill([(-0.1, 0.3), (0.1, 0.3), (0, 0.42)], second)
    elif shape == "bolt":
        fill([(0.25, -1), (-0.6, 0.15), (-0.08, 0.15), (-0.25, 1), (0.6, -0.2), (0.08, -0.2)], colour)
    elif shape == "peaks":
        fill([(-1, 0.75), (-0.35, -0.6), (0.1, 0.2), (0.35, -0.15), (1, 0.75)], colour)
        fill([(-0.56, -0.16), (-0.35, -0.6), (-0.12, -0.18), (-0.34, -0.05)], second)
        disc(0.55, -0.6, 0.2, second)
    elif shape == "ring":
        disc(0, 0, 1, colour)
        disc(0, 0, 0.66, second)
        disc(0, 0, 0.36, colour)
    elif shape == "badge":
        fill([(-1.2, -0.5), (1.2, -0.5), (1.2, 0.5), (-1.2, 0.5)], colour)
        fill([(-1.0, -0.12), (1.0, -0.12), (1.0, 0.12), (-1.0, 0.12)], second)
