"""Tools of the texture painters: the measure of a sheet, blending and soft edges."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.sheet import Sheet
from dynast_deploy.synthetic.people.trunk import AROUND

_SHIFT = 4


class Surface:
    """The measure of a sheet's texture: `x` around and `y` along the body (body heights, float32 [H, W]), and
    `light`, the soft shade of a round body (float32 [1, W])."""

    def __init__(self, sheet: Sheet, h: int, w: int, tube: bool, start: float = 0.0) -> None:
        u = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
        v = np.linspace(0, 1, h, dtype=np.float32)[:, None]
        self.texel = sheet.length / h
        self.start = start
        self.half = sheet.width / 2
        if tube:
            angle = np.arcsin(np.clip(u, -0.999, 0.999))
            self.x = np.broadcast_to(angle * sheet.width / np.pi, (h, w))
        else:
            angle = u * AROUND
            self.x = np.broadcast_to(u * self.half, (h, w))
        front = np.cos(angle)
        self.y = (start + v * sheet.length + 0.05 * sheet.width * np.maximum(front, 0)).astype(np.float32)
        self.light = (0.80 + 0.22 * np.clip(front + 0.12 * np.sin(angle) * (not tube), 0, 1) ** 0.7).astype(
            np.float32
        )

    def polygon(self, picture: np.ndarray, points: list[tuple[float, float]], ink: Colour) -> None:
        """Fill a polygon given in body heights (flat sheets only: the texture's columns are linear in x).

        `picture` `[h, w, 3]` is changed.
        """
        w = picture.shape[1]
        at = np.array(points)
        column = (at[:, 0] / self.half + 1) / 2 * (w - 1)
        row = (at[:, 1] - self.start) / self.texel
        fixed = np.round(np.stack([column, row], axis=1) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(picture, [fixed], ink, cv2.LINE_AA, _SHIFT)


def blend(picture: np.ndarray, cover: np.ndarray, ink: Colour | np.ndarray) -> None:
    """Paint `ink` (a colour or picture) over `picture` (float32 [H, W, 3]) by `cover` ([H, W], 0..1)."""
    picture += cover[..., None].astype(np.float32) * (np.asarray(ink, np.float32) - picture)


def soft(distance: np.ndarray, texel: float) -> np.ndarray:
    """1 where `distance` is positive, 0 where it is negative, one and a half texels soft.

    `distance` may have any shape; the result has it too.
    """
    return np.clip(distance / (1.5 * texel) + 0.5, 0, 1)


def band(y: np.ndarray, start: float, end: float, texel: float) -> np.ndarray:
    """1 where `y` is between `start` and `end`, with soft edges. `y` may have any shape; the result has it too."""
    result: np.ndarray = soft(y - start, texel) * soft(end - y, texel)
    return result


def bare_skin(body: Body, shape: tuple[int, int]) -> np.ndarray:
    """float32 [H, W, 3] of the skin's colour."""
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = body.who.skin
    return picture
