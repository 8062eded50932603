"""Rendering: a posed body to a picture, its keypoints and its surface map."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from dynast_deploy.synthetic.people.atlas import Atlas, paint_atlas
from dynast_deploy.synthetic.people.backdrop import paint_backdrop, shadow_under_feet
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.identity import Identity
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.pose import Pose
from dynast_deploy.synthetic.people.raster import Mesh, Raster, build_mesh, rasterise, texture_at
from dynast_deploy.synthetic.people.shading import shade
from dynast_deploy.synthetic.people.sheet import Sheet

# Canvas pixels to a picture pixel, along each side.
_OVERSAMPLING = 2


@dataclass(frozen=True)
class Figure:
    """A rendered marionette. Pixel (0, 0) has its centre at (0, 0).

    `picture` uint8 [S, S, 3] RGB. `keypoints` float32 [18, 3]: x, y in pixels and a score, 0 where out of
    sight or outside the picture, in OpenPose's COCO-18 order. `surface` float32 [S, S, 3]: part (see
    `Part`), u (-1..1) and v (0..1) of the surface point seen at a pixel's centre; 0, 0, 0 on the backdrop.
    `places` are the points of the parts' sheets in the picture, float64 [R, C, 2] in pixels, and `scale` the
    pixels to a body height.
    """

    picture: np.ndarray
    keypoints: np.ndarray
    surface: np.ndarray
    sheets: dict[Part, Sheet] = field(repr=False)
    places: dict[Part, np.ndarray] = field(repr=False)
    scale: float


@dataclass(frozen=True)
class _Painted:
    """All that a render needs of an identity, whatever the pose."""

    body: Body
    atlas: Atlas
    mesh: Mesh
    to_surface: np.ndarray  # float32 [parts, 4]: u = a x + b, v = c y + d from atlas positions

    @staticmethod
    def of(who: Identity) -> _Painted:
        body = Body(who)
        atlas = paint_atlas(body)
        to_surface = np.zeros((max(Part) + 1, 4), np.float32)
        for part in body.sheets:
            t = atlas.tiles[part]
            to_surface[part] = (2 / t.width, -1 - 2 * t.x / t.width, 1 / t.height, -t.y / t.height)
        return _Painted(body, atlas, build_mesh(body.sheets, atlas.tiles), to_surface)


_painted = lru_cache(maxsize=64)(_Painted.of)


@lru_cache(maxsize=16)
def _backdrop(who: Identity, canvas: int) -> np.ndarray:
    return paint_backdrop(who, canvas)


def render(identity: Identity, pose: Pose, size: int = 256) -> Figure:
    """Draw a person in a pose, `size` pixels wide and high."""
    ready = _painted(identity)
    placed, keypoints = ready.body.place(pose)
    canvas = size * _OVERSAMPLING
    raster = rasterise(ready.mesh, placed, canvas)

    picture = _backdrop(identity, canvas).copy()
    feet = [
        (float(placed[part][-1, :, 0].mean()), max(0.0, pose.ground - float(placed[part][..., 1].max())))
        for part in (Part.RIGHT_SHOE, Part.LEFT_SHOE)
    ]
    rows, dark = shadow_under_feet(feet, pose.ground, pose.scale, canvas)
    picture[rows] = picture[rows] * dark

    seen = np.flatnonzero(raster.index)
    triangle = raster.index.ravel()[seen] - 1
    y, x = np.divmod(seen, canvas)
    tx, ty = texture_at(raster, triangle, x.astype(np.float32), y.astype(np.float32))
    picture.reshape(-1, 3)[seen] = _look_up(ready.atlas.picture, tx, ty)
    if seen.size:
        # Shading reaches no farther than an outline beyond the figure.
        top, bottom = max(0, y[0] - 2), y[-1] + 3
        left, right = max(0, x.min() - 2), x.max() + 3
        picture[top:bottom, left:right] = shade(picture[top:bottom, left:right], raster, (top, left))
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)

    keypoints[:, :2] = keypoints[:, :2] * size - 0.5
    return Figure(
        picture=small,
        keypoints=keypoints.astype(np.float32),
        surface=_surface(ready, raster, size),
        sheets=ready.body.sheets,
        places={part: points * size - 0.5 for part, points in placed.items()},
        scale=pose.scale * size,
    )


def _look_up(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """uint8 [M, 3] of a picture at positions float32 [M], bilinear."""
    across = 256
    rows = -(-x.size // across)
    maps = np.zeros((2, rows * across), np.float32)
    maps[0, : x.size], maps[1, : y.size] = x, y
    found = cv2.remap(picture, maps[0].reshape(rows, across), maps[1].reshape(rows, across), cv2.INTER_LINEAR)
    return found.reshape(-1, 3)[: x.size]


def _surface(ready: _Painted, raster: Raster, size: int) -> np.ndarray:
    """The surface map at the picture's pixel centres; each takes its part from one canvas pixel,
    unblended."""
    index = raster.index[::_OVERSAMPLING, ::_OVERSAMPLING]
    surface = np.zeros((size * size, 3), np.float32)
    seen = np.flatnonzero(index)
    triangle = index.ravel()[seen] - 1
    y, x = np.divmod(seen, size)
    centre = (_OVERSAMPLING - 1) / 2
    tx, ty = texture_at(
        raster,
        triangle,
        x.astype(np.float32) * _OVERSAMPLING + centre,
        y.astype(np.float32) * _OVERSAMPLING + centre,
    )
    part = raster.part[triangle]
    m = ready.to_surface[part]
    surface[seen] = np.stack([part, tx * m[:, 0] + m[:, 1], ty * m[:, 2] + m[:, 3]], axis=1)
    return surface.reshape(size, size, 3)
