"""Rasteriser: textured triangles, back to front, to texture positions per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dynast_deploy.synthetic.people.atlas import Tile
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.sheet import Sheet

_SHIFT = 4


@dataclass(frozen=True)
class Mesh:
    """What of a body's triangles does not change with the pose, part by part.

    `triangles` int32 [T, 3] count a part's own vertices, `texture` float64 [V, 2] are their atlas positions.
    `joined` is the part that a sheet continues and, float32 [T], how far each triangle is its own: 0 (of the
    other) to 1.
    """

    triangles: dict[Part, np.ndarray]
    texture: dict[Part, np.ndarray]
    facing: dict[Part, int]
    joined: dict[Part, tuple[Part, np.ndarray]]


def build_mesh(sheets: dict[Part, Sheet], tiles: dict[Part, Tile]) -> Mesh:
    """The mesh of some sheets that are textured by tiles."""
    texture = {}
    for part, sheet in sheets.items():
        tile = tiles[part]
        x = tile.x + (sheet.u + 1) / 2 * tile.width
        y = tile.y + sheet.v * tile.height
        texture[part] = np.stack(np.broadcast_arrays(x[None, :], y[:, None]), axis=-1).reshape(-1, 2)
    return Mesh(
        triangles={part: sheet.triangles() for part, sheet in sheets.items()},
        texture=texture,
        facing={part: sheet.facing for part, sheet in sheets.items()},
        joined={part: _joined(sheet) for part, sheet in sheets.items()},
    )


def _joined(sheet: Sheet) -> tuple[Part, np.ndarray]:
    other, until = sheet.joins or (sheet.part, 0.0)
    own = np.clip((sheet.v[1:] - until) / (1.5 * until + 1e-6), 0, 1)
    return other, np.repeat(own, 2 * (sheet.u.size - 1)).astype(np.float32)


@dataclass(frozen=True)
class Raster:
    """What a canvas shows.

    `index` int32 [H, W]: 1 + triangle seen, 0 for none. Per triangle: `part` and `owner` (the part whose
    outline encloses it) uint8 [T], `rank` float32 [T] (1 the farthest part), and `inverse` float32 [T, 10]:
    texture x = a X + b Y + c and texture y = d X + e Y + f at the canvas position (X, Y), then the lowest x,
    lowest y, highest x and highest y that the triangle holds.
    """

    index: np.ndarray
    part: np.ndarray
    owner: np.ndarray
    rank: np.ndarray
    inverse: np.ndarray


def rasterise(mesh: Mesh, placed: dict[Part, np.ndarray], canvas: int) -> Raster:
    """Draw the parts in the order of `placed`; its points are fractions of the canvas's side.

    Points are `[rows, columns, 2]`, `canvas` is in pixels.
    """
    rank_of = {part: float(rank) for rank, part in enumerate(placed, start=1)}
    corners, texture, parts, owners, ranks = [], [], [], [], []
    for part, points in placed.items():
        triangles = mesh.triangles[part]
        seen = points.reshape(-1, 2)[triangles]
        facing = mesh.facing[part]
        e1, e2 = seen[:, 1] - seen[:, 0], seen[:, 2] - seen[:, 0]
        turned = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
        keep = (turned * facing if facing else np.abs(turned)) > 1e-9
        corners.append(seen[keep])
        texture.append(mesh.texture[part][triangles[keep]])
        parts.append(np.full(corners[-1].shape[0], int(part), np.uint8))
        other, own = mesh.joined[part]
        other = other if other in placed else part
        owners.append(np.where(own[keep] > 0, np.uint8(part), np.uint8(other)))
        ranks.append(rank_of[other] + own[keep] * (rank_of[part] - rank_of[other]))
    at = np.concatenate(corners) * canvas - 0.5
    index = np.zeros((canvas, canvas), np.int32)
    fixed = np.round(at * (1 << _SHIFT)).astype(np.int32)
    fill = cv2.fillConvexPoly
    for i, triangle in enumerate(fixed, start=1):
        fill(index, triangle, i, 8, _SHIFT)
    return Raster(
        index,
        np.concatenate(parts),
        np.concatenate(owners),
        np.concatenate(ranks).astype(np.float32),
        _inverse(at, np.concatenate(texture)),
    )


def _inverse(at: np.ndarray, texture: np.ndarray) -> np.ndarray:
    """The affine map from canvas to texture of triangles: float32 [T, 10], see `Raster`."""
    e1, e2 = at[:, 1] - at[:, 0], at[:, 2] - at[:, 0]
    t1, t2 = texture[:, 1] - texture[:, 0], texture[:, 2] - texture[:, 0]
    det = (e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0])[:, None]
    along_x = (t1 * e2[:, 1:] - t2 * e1[:, 1:]) / det
    along_y = (t2 * e1[:, :1] - t1 * e2[:, :1]) / det
    constant = texture[:, 0] - along_x * at[:, 0, :1] - along_y * at[:, 0, 1:]
    affine = np.stack([along_x, along_y, constant], axis=2).reshape(-1, 6)
    return np.concatenate([affine, texture.min(axis=1), texture.max(axis=1)], axis=1).astype(np.float32)


def texture_at(
    raster: Raster, triangle: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Texture positions float32 [M] of canvas positions in the given triangles (counted from 0)."""
    m = np.take(raster.inverse, triangle, axis=0)
    tx = m[:, 0] * x + m[:, 1] * y + m[:, 2]
    ty = m[:, 3] * x + m[:, 4] * y + m[:, 5]
    return np.clip(tx, m[:, 6], m[:, 8]), np.clip(ty, m[:, 7], m[:, 9])
