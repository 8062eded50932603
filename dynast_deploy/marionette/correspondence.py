"""Exact correspondence between two pictures of one person."""

from __future__ import annotations

import numpy as np

from dynast_deploy.marionette.parts import Part
from dynast_deploy.marionette.render import Figure

# How far along the surface, at a 256-pixel picture's scale, the point seen at the nearest pixel may lie from
# the point looked for: a pixel at a round part's rim spans this much. A fold of a limb over itself lies
# farther.
_NEAR = 0.028


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
    ys, xs = np.nonzero(target.surface[..., 0])
    order = np.argsort(target.surface[ys, xs, 0], kind="stable")
    ys, xs = ys[order], xs[order]
    surface = target.surface[ys, xs]
    ends = np.searchsorted(surface[:, 0], np.arange(max(Part) + 1), side="right")
    for part in target.places:
        of_part = slice(ends[part - 1], ends[part])
        y, x, uv = ys[of_part], xs[of_part], surface[of_part, 1:]
        found, facing = locate(exemplar, part, uv)
        # A pixel on a part's rim may have its centre beyond the part: it shows the part, but no one point.
        centre, _ = locate(target, part, uv)
        sure = np.hypot(centre[:, 0] - x, centre[:, 1] - y) < 0.5
        at[y, x] = found
        visible[y, x] = facing & sure & _shown(exemplar, part, uv, found)
    return at, visible


def locate(figure: Figure, part: Part, surface: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Picture positions float64 [M, 2] (pixels) of a part's surface points (u, v) [M, 2], seen or not, and
    whether the surface faces the viewer there (bool [M])."""
    points, sheet = figure.places[part], figure.sheets[part]
    u, v = surface[:, 0], surface[:, 1]
    j = np.clip(np.searchsorted(sheet.u, u, side="right") - 1, 0, sheet.u.size - 2)
    i = np.clip(np.searchsorted(sheet.v, v, side="right") - 1, 0, sheet.v.size - 2)
    s = ((u - sheet.u[j]) / (sheet.u[j + 1] - sheet.u[j]))[:, None]
    t = ((v - sheet.v[i]) / (sheet.v[i + 1] - sheet.v[i]))[:, None]
    p01, p10 = points[i, j + 1], points[i + 1, j]
    # A cell's two triangles (see Sheet.triangles), each spanned from its corner of the cell's outer side.
    first = s + t < 1
    corner = np.where(first, points[i, j], points[i + 1, j + 1])
    along_u = np.where(first, p01 - corner, corner - p10)
    along_v = np.where(first, p10 - corner, corner - p01)
    found = np.where(
        first, corner + s * along_u + t * along_v, corner - (1 - s) * along_u - (1 - t) * along_v
    )
    turned = along_u[:, 0] * along_v[:, 1] - along_u[:, 1] * along_v[:, 0]
    return found, (turned * sheet.facing > 1e-4) if sheet.facing else np.abs(turned) > 1e-4


def _shown(figure: Figure, part: Part, surface: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the pixels nearest to positions [M, 2] show these very points (u, v) of the part: nothing lies
    over them, neither another part nor a fold of their own."""
    h, w = figure.surface.shape[:2]
    x, y = np.round(at).astype(np.int64).T
    inside = (x >= 0) & (y >= 0) & (x < w) & (y < h)
    seen = figure.surface[np.where(inside, y, 0), np.where(inside, x, 0)]
    sheet = figure.sheets[part]
    along = (seen[:, 1:] - surface) * np.array([sheet.width / 2, sheet.length])
    near = np.hypot(along[:, 0], along[:, 1]) < max(_NEAR, 6 / figure.scale)
    return inside & (seen[:, 0] == part) & near
