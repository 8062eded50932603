"""How a face is seen: the way the head is turned, where it is, and what it expresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class View:
    """Angles in radians: `yaw` turns the face to the picture's right, `pitch` down, `roll` tilts it to the right.

    `x`, `y` is the middle of the head and `scale` half its height, as shares of the picture. `mouth` opens (0..1),
    `smile` goes from -0.4 (sad) to 1, `brows` lift (-1..1), `lids` open the left and the right eye of the picture
    (0 closed to 1), `gaze` moves the irises right and down (-1..1).
    """

    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    scale: float = 0.29
    x: float = 0.5
    y: float = 0.47
    mouth: float = 0.0
    smile: float = 0.2
    brows: float = 0.0
    lids: tuple[float, float] = (0.85, 0.85)
    gaze: tuple[float, float] = (0.0, 0.0)


def sample_view(rng: np.random.Generator) -> View:
    """A view as portraits show them."""
    lids = float(np.clip(rng.normal(0.88, 0.12), 0.3, 1.0))
    closed = rng.random()
    other = 0.0 if closed < 0.04 else lids
    both = 0.0 if closed > 0.96 else 1.0
    return View(
        yaw=float(np.clip(rng.normal(0, 0.3), -0.7, 0.7)),
        pitch=float(np.clip(rng.normal(0, 0.2), -0.45, 0.45)),
        roll=float(np.clip(rng.normal(0, 0.12), -0.35, 0.35)),
        scale=float(rng.uniform(0.25, 0.32)),
        x=float(rng.uniform(0.45, 0.55)),
        y=float(rng.uniform(0.44, 0.52)),
        mouth=float(rng.uniform(0.15, 1.0)) if rng.random() < 0.4 else 0.0,
        smile=float(rng.uniform(-0.4, 1.0)),
        brows=float(np.clip(rng.normal(0, 0.45), -1, 1)),
        lids=(lids * both, other * both),
        gaze=(float(np.clip(rng.normal(0, 0.4), -1, 1)), float(np.clip(rng.normal(0, 0.25), -0.6, 0.6))),
    )
