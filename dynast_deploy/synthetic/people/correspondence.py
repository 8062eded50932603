"""Exact correspondence between two pictures of one person."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.render import Figure

# How far along the surface, at a 256-pixel picture's scale, the point seen at the nearest pixel may lie from
# the point looked for: a pixel at a round part's rim spans this much. A fold of a limb over itself lies
# farther.
_NEAR = 0.028

_APART = 4.0  # u spans 2: so far are the grids of two parts apart when all are searched as one


def correspondence(target: Figure, exemplar: Figure) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of `target` is found in `exemplar`, a figure of the same identity and picture size.

    Returns (float32 [H, W, 2], bool [H, W]): the x, y position in the exemplar's picture of the surface
    point at each target pixel's centre, in pixels, and whether it is visible there. Positions follow from
    the exemplar's geometry and are given for hidden points too; on the target's backdrop they are 0 and not
    visible.
    """
    h, w = target.surface.shape[:2]
    at = np.zeros((h, w, 2), np.float32)
    visible = np.zeros((h, w), bool)
    y, x = np.nonzero(target.surface[..., 0])
    surface = target.surface[y, x]
    part = surface[:, 0].astype(np.intp)
    cells = _Cells.find(target, part, surface[:, 1:])
    found, facing = cells.place(exemplar)
    # A pixel on a part's rim may have its centre beyond the part: it shows the part, but no one point.
    centre, _ = cells.place(target)
    sure = np.hypot(centre[:, 0] - x, centre[:, 1] - y) < 0.5
    at[y, x] = found
    visible[y, x] = facing & sure & _shown(exemplar, part, surface[:, 1:], found)
    return at, visible


@dataclass(frozen=True)
class _Cells:
    """The grid cells that surface points lie in, float64 or int [M].

    `corner` and `below` are the numbers of a cell's first vertex and of the one below it, counted through all parts in
    their order, `s` (across) and `t` (down) the place in the cell, 0..1, `facing` the part's.
    """

    corner: np.ndarray
    below: np.ndarray
    s: np.ndarray
    t: np.ndarray
    facing: np.ndarray

    @staticmethod
    def find(figure: Figure, part: np.ndarray, surface: np.ndarray) -> _Cells:
        """The cells of points (u, v) [M, 2] of parts int [M]."""
        sheets = {number: figure.sheets[number] for number in sorted(figure.places)}
        columns, rows, facing, first = (np.zeros(max(Part) + 1, np.intp) for _ in range(4))
        vertices = 0
        for number, sheet in sheets.items():
            columns[number], rows[number], facing[number] = sheet.u.size, sheet.v.size, sheet.facing
            first[number], vertices = vertices, vertices + sheet.vertices
        j, s = _interval({number: sheet.u for number, sheet in sheets.items()}, columns, part, surface[:, 0])
        i, t = _interval({number: sheet.v for number, sheet in sheets.items()}, rows, part, surface[:, 1])
        corner = first[part] + i * columns[part] + j
        return _Cells(corner, corner + columns[part], s, t, facing[part])

    def place(self, figure: Figure) -> tuple[np.ndarray, np.ndarray]:
        """Picture positions float64 [M, 2] (pixels) of the points in `figure`, seen or not, and whether the surface
        faces the viewer there (bool [M])."""
        points = np.concatenate([place.reshape(-1, 2) for _, place in sorted(figure.places.items())])
        s, t = self.s[:, None], self.t[:, None]
        p01, p10 = points[self.corner + 1], points[self.below]
        # A cell's two triangles (see Sheet.triangles), each spanned from its corner of the cell's outer side.
        first = s + t < 1
        corner = np.where(first, points[self.corner], points[self.below + 1])
        along_u = np.where(first, p01 - corner, corner - p10)
        along_v = np.where(first, p10 - corner, corner - p01)
        found = np.where(
            first, corner + s * along_u + t * along_v, corner - (1 - s) * along_u - (1 - t) * along_v
        )
        turned = along_u[:, 0] * along_v[:, 1] - along_u[:, 1] * along_v[:, 0]
        return found, np.where(self.facing == 0, np.abs(turned), turned * self.facing) > 1e-4


def _interval(
    knots: dict[Part, np.ndarray], count: np.ndarray, part: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The interval of its part's knots that each of `at` [M] lies in, int [M], and the share of it before `at`.

    `knots` are in the order of parts, `count` says how many each part has.
    """
    values = np.concatenate(list(knots.values()))
    line = np.concatenate([each + _APART * number for number, each in knots.items()])
    first = np.cumsum(count) - count
    found = np.searchsorted(line, at + _APART * part, side="right") - 1 - first[part]
    interval = np.clip(found, 0, count[part] - 2)
    low, high = values[first[part] + interval], values[first[part] + interval + 1]
    return interval, (at - low) / (high - low)


def _shown(figure: Figure, part: np.ndarray, surface: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the pixels nearest to positions [M, 2] show these very points (u, v) of their parts: nothing lies
    over them, neither another part nor a fold of their own."""
    h, w = figure.surface.shape[:2]
    x, y = np.round(at).astype(np.int64).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    seen = figure.surface[np.where(inside, y, 0), np.where(inside, x, 0)]
    measure = np.zeros((max(Part) + 1, 2))
    for number in figure.places:
        measure[number] = figure.sheets[number].width / 2, figure.sheets[number].length
    along = (seen[:, 1:] - surface) * measure[part]
    near = np.hypot(along[:, 0], along[:, 1]) < max(_NEAR, 6 / figure.scale)
    result: np.ndarray = inside & (seen[:, 0] == part) & near
    return result
