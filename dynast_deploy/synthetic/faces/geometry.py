"""The head's round surfaces: where a place on the head lies in the picture, and the way back, both in closed form.

Places on a surface are (a, y): `a` is the angle around the head from the middle of the face, times `RADIUS`, so that it
is a length on the front of the face; y is the height. Both, and all lengths here, are in half head heights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dynast_deploy.synthetic.faces.traits import Skull
from dynast_deploy.synthetic.faces.view import View

RADIUS = 0.72
WIDEST = -0.1
"""The height at which the head is widest."""

_PIVOT = 1.0
"""The height around which the head tilts."""


@dataclass(frozen=True)
class Frame:
    """Picture positions (shares of its side) to the frames of torso and head, and back."""

    view: View

    def torso(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture coordinates, shares of its size, to the torso's: across and down from its origin.

        Arrays whose shapes broadcast; results in half head heights.
        """
        return (x - self.view.x) / self.view.scale, (y - self.view.y) / self.view.scale

    def head(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Picture coordinates to the head's: the torso's, turned by the roll about the neck.

        Arrays whose shapes broadcast; lengths of the frames in half head heights.
        """
        across, down = self.torso(x, y)
        return _turned(across, down, self.view.roll)

    def from_torso(self, across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of `torso`. Arrays whose shapes broadcast; lengths of the frames in half head heights."""
        return across * self.view.scale + self.view.x, down * self.view.scale + self.view.y

    def from_head(self, across: np.ndarray, down: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of `head`. Arrays whose shapes broadcast; lengths of the frames in half head heights."""
        return self.from_torso(*_turned(across, down, -self.view.roll))


def _turned(x: np.ndarray, y: np.ndarray, roll: float) -> tuple[np.ndarray, np.ndarray]:
    cos, sin = math.cos(roll), math.sin(roll)
    y = y - _PIVOT
    return cos * x + sin * y, cos * y - sin * x + _PIVOT


@dataclass(frozen=True)
class Turn:
    """A head whose cross-sections are ellipses, turned by yaw: at half-width w, the place `a` lies at
    x = w * `reach` * sin(a / RADIUS + `shift`)."""

    reach: float
    shift: float

    @staticmethod
    def of(skull: Skull, yaw: float) -> Turn:
        """How a head of this depth looks at `yaw`, in radians."""
        deep = skull.depth * math.sin(yaw)
        return Turn(math.hypot(math.cos(yaw), deep), math.atan2(deep, math.cos(yaw)))

    def place(self, a: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """x, and the cosine between the surface and the line of sight (negative on the far side).

        Arrays whose shapes broadcast, in half head heights.
        """
        angle = a / RADIUS + self.shift
        return width * self.reach * np.sin(angle), np.cos(angle)

    def trace(self, x: np.ndarray, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The place `a` on the near side seen at x, and whether the surface is there at all.

        Arrays whose shapes broadcast, in half head heights.
        """
        share = x / np.maximum(width * self.reach, 1e-6)
        inside = np.abs(share) < 1
        return (np.arcsin(np.clip(share, -1, 1)) - self.shift) * RADIUS, inside


_TABLE = np.linspace(-1.5, 2.2, 3701)


def from_table(values: np.ndarray, y: np.ndarray) -> np.ndarray:
    """float32: a function of height, known by its `values` at 3701 heights from -1.5 to 2.2, straight between them.

    `values` `[3701]`; `y` may have any shape, and the result has it too.
    """
    result: np.ndarray = np.interp(y, _TABLE, values).astype(np.float32)
    return result


def heights() -> np.ndarray:
    """The heights of `from_table`. `[3701]`, in half head heights."""
    return _TABLE


def head_width(skull: Skull, y: np.ndarray) -> np.ndarray:
    """Half the head's width at heights y, float32; 0 above the crown and below the chin.

    `y` may have any shape; lengths in half head heights.
    """
    return from_table(_head_profile(skull), y)


@lru_cache(maxsize=64)
def _head_profile(skull: Skull) -> np.ndarray:
    y = heights()
    above = np.clip((WIDEST - y) / (1 + WIDEST), 0, 1)
    below = np.clip((y - WIDEST) / (1 - WIDEST), 0, 1)
    dome = (1 - above**2.3) ** 0.5
    jaw = (1 - below ** (2.1 + 1.3 * skull.jaw)) ** (0.62 - 0.1 * skull.jaw)
    return skull.width * np.where(y < WIDEST, dome, jaw)


def nod(y: np.ndarray, a: np.ndarray, pitch: float) -> np.ndarray:
    """The height at which the pitched head shows what lies at height y: the front moves, crown and chin do not.

    Arrays whose shapes broadcast, in half head heights; `pitch` in radians.
    """
    slide = _slide(a, pitch)
    root = np.sqrt(np.maximum(1 + 4 * slide * (slide + y), 0))
    result: np.ndarray = (2 * (slide + y)) / (1 + root)
    return result


def unnod(y: np.ndarray, a: np.ndarray, pitch: float) -> np.ndarray:
    """The inverse of `nod` at heights from -1 to 1.

    Arrays whose shapes broadcast, in half head heights; `pitch` in radians.
    """
    result: np.ndarray = y - _slide(a, pitch) * (1 - y * y)
    return result


def _slide(a: np.ndarray, pitch: float) -> np.ndarray:
    return 0.42 * math.sin(pitch) * np.maximum(np.cos(a / RADIUS), 0)


def piecewise(y: np.ndarray, start: list[np.ndarray | float], end: list[np.ndarray | float]) -> np.ndarray:
    """The map that takes rising knots `start` to `end`, straight between them, at y; each knot may be an array.

    Arrays whose shapes broadcast.
    """
    mapped = _segment(y, start[0], start[1], end[0], end[1])
    for k in range(1, len(start) - 1):
        mapped = np.where(y > start[k], _segment(y, start[k], start[k + 1], end[k], end[k + 1]), mapped)
    return mapped


def _segment(
    y: np.ndarray,
    from_low: np.ndarray | float,
    from_high: np.ndarray | float,
    to_low: np.ndarray | float,
    to_high: np.ndarray | float,
) -> np.ndarray:
    return to_low + (y - from_low) * ((to_high - to_low) / np.maximum(from_high - from_low, 1e-6))
