"""Sheets: the surfaces that a figure is made of, as grids of points."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynast_deploy.synthetic.people.parts import Part


@dataclass(frozen=True)
class Sheet:
    """One part's grid: `u` float64 [C] rising from -1 to 1 and `v` float64 [R] rising from 0 to 1.

    `width` and `length` are what u and v span on the body, in body heights: the texture is painted to
    that measure. `facing` is the sign that triangles turn with while their outer side shows; 0 shows both.
    A sheet that `joins` (part, v) continues that part down to v: there no outline parts the two.
    """

    part: Part
    u: np.ndarray
    v: np.ndarray
    width: float
    length: float
    facing: int = 0
    joins: tuple[Part, float] | None = None

    @property
    def vertices(self) -> int:
        """Number of points of the grid."""
        return self.u.size * self.v.size

    def triangles(self) -> np.ndarray:
        """int32 [T, 3], vertices counted row by row; two to a cell, in the order that the rows come in.

        The first of a cell's triangles holds its points with (u' + v' < 1), u' and v' from 0 to 1 in the
        cell.
        """
        columns = self.u.size
        corner = (np.arange(self.v.size - 1)[:, None] * columns + np.arange(columns - 1)).reshape(-1, 1)
        first = corner + np.array([0, 1, columns])
        second = corner + np.array([1, columns + 1, columns])
        return np.stack([first, second], axis=1).reshape(-1, 3).astype(np.int32)


def smooth(knots: list[tuple[float, float]], at: np.ndarray) -> np.ndarray:
    """A smooth curve through (x, y) knots, rising x, evaluated at float64 [R]; flat beyond the ends.

    Cubic Hermite pieces whose slopes are those of the neighbouring chords, flattened at turning points.
    """
    x, y = np.array(knots, dtype=np.float64).T
    chords = np.diff(y) / np.diff(x)
    slopes = np.zeros_like(y)
    same_sign = chords[1:] * chords[:-1] > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        harmonic = 2 * chords[1:] * chords[:-1] / (chords[1:] + chords[:-1])
    slopes[1:-1] = np.where(same_sign, harmonic, 0.0)
    slopes[0], slopes[-1] = chords[0], chords[-1]
    at = np.clip(at, x[0], x[-1])
    i = np.clip(np.searchsorted(x, at, side="right") - 1, 0, x.size - 2)
    step = x[i + 1] - x[i]
    t = (at - x[i]) / step
    rise = y[i] + t * (y[i + 1] - y[i])
    result: np.ndarray = rise + t * (1 - t) * step * (
        (1 - t) * (slopes[i] - chords[i]) - t * (slopes[i + 1] - chords[i])
    )
    return result
