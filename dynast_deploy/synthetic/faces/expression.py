"""Expression: how the skin of a face moves, and where it opens for eyes and mouth.

The skin is painted with eyes and mouth shut. In a view its knots (brows, the seams of eyes and mouth) move up and down,
everything between two knots moves in proportion, and seams part: what then shows between lids and lips lies on other
layers, which do not move with the skin.
"""

from __future__ import annotations

import math

import numpy as np

from dynast_deploy.synthetic.faces.geometry import piecewise
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.view import View

EYE_Y, BROW_Y, NOSE_Y, MOUTH_Y, CHIN_Y = -0.03, -0.25, 0.33, 0.56, 0.82
EYE_WIDTH, MOUTH_WIDTH = 0.155, 0.27
_JAW_FROM, _JAW_TO = 0.5, 0.8
_NOSE_REACH = 0.3


class Expression:
    """One face in one view. `a` and `y` are places on the head, see `geometry`."""

    def __init__(self, face: Face, view: View) -> None:
        self.face, self.view = face, view
        self.drop = 0.09 * view.mouth

    # Where seams lie while shut: as functions of `a`.
    def eye_seam(self, a: np.ndarray) -> np.ndarray:
        """Height on the head at which the shut eye's lids meet, by angle `a`.

        Arrays of any shape, in half head heights.
        """
        return eye_seam(self.face, a)

    def jaw(self, y: np.ndarray) -> np.ndarray:
        """Heights on the head with the mouth shut to those with the jaw dropped.

        Arrays of any shape, in half head heights.
        """
        return y + self.drop * np.clip((y - _JAW_FROM) / (_JAW_TO - _JAW_FROM), 0, 1)

    def unjaw(self, y: np.ndarray) -> np.ndarray:
        """The inverse of `jaw`: heights as seen to heights with the mouth shut.

        Arrays of any shape, in half head heights.
        """
        stretch = (_JAW_TO - _JAW_FROM) / (_JAW_TO - _JAW_FROM + self.drop)
        between = _JAW_FROM + (y - _JAW_FROM) * stretch
        return np.where(y < _JAW_FROM, y, np.where(y < _JAW_TO + self.drop, between, y - self.drop))

    def spread(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Where `a` is seen at the seen height y: smiles widen the mouth, and the nose stands out from the face.

        Arrays whose shapes broadcast, in half head heights.
        """
        a = a * (1 + 0.16 * self.view.smile * np.exp(-(((y - MOUTH_Y) / 0.2) ** 2)))
        result: np.ndarray = a + self._nose_shift(y) * np.maximum(1 - np.abs(a) / _NOSE_REACH, 0)
        return result

    def unspread(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """The inverse of `spread`: the `a` of what is seen at `a` and the seen height y.

        Arrays whose shapes broadcast, in half head heights.
        """
        shift = self._nose_shift(y)
        left = (a - shift) / (1 + shift / _NOSE_REACH)
        right = (a - shift) / (1 - shift / _NOSE_REACH)
        a = np.where(np.abs(a) < _NOSE_REACH, np.where(a < shift, left, right), a)
        return a / (1 + 0.16 * self.view.smile * np.exp(-(((y - MOUTH_Y) / 0.2) ** 2)))

    def _nose_shift(self, y: np.ndarray) -> np.ndarray:
        return 0.13 * math.sin(self.view.yaw) * np.exp(-(((y - 0.24) / 0.2) ** 2))

    def lids(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heights of the upper and the lower lid's edge. Arrays of any shape, in half head heights."""
        seam = self.eye_seam(a)
        eyes = self.face.eyes
        t = (np.abs(a) - eyes.gap) / (EYE_WIDTH * eyes.size)
        round_ = np.maximum(1 - t * t, 0) ** 0.75
        left, right = self.view.lids
        lids = np.where(a < 0, np.float32(left), np.float32(right))
        upper = 0.088 * eyes.size * lids * round_
        lower = 0.042 * eyes.size * (0.35 + 0.65 * lids) * (1 - 0.3 * max(self.view.smile, 0)) * round_
        return seam - upper, seam + np.where(lids > 0.1, lower, 0)

    def lips(self, a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Heights of the upper lip's lower edge and the lower lip's upper edge.

        Arrays of any shape, in half head heights.
        """
        t = a / (MOUTH_WIDTH * self.face.mouth.width)
        seam = mouth_seam(a) - 0.055 * self.view.smile * np.minimum(t * t, 2.5)
        opened = np.maximum(1 - t * t, 0) ** 0.6
        upper = seam - (0.012 + 0.02 * max(self.view.smile, 0)) * opened * min(1.0, 4 * self.view.mouth)
        return upper, upper + 0.15 * self.view.mouth * opened

    def move(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Seen heights of skin places. Arrays whose shapes broadcast, in half head heights."""
        start, end = self._knots(a)
        upper, middle, lower = (piecewise(y, s, e) for s, e in zip(start, end, strict=True))
        return np.where(y < start[0][-1], upper, np.where(y < start[1][-1], middle, lower))

    def unmove(self, a: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Skin places of seen heights, and where an eye and where the mouth's inside is seen instead.

        Arrays whose shapes broadcast, in half head heights.
        """
        start, end = self._knots(a)
        upper, middle, lower = (piecewise(y, e, s) for s, e in zip(start, end, strict=True))
        upper_lid, lower_lid = end[0][-1], end[1][0]
        upper_lip, lower_lip = end[1][-1], end[2][0]
        eye = (y > upper_lid) & (y < lower_lid)
        mouth = (y > upper_lip) & (y < lower_lip)
        skin = np.where(y <= upper_lid, upper, np.where(y <= upper_lip, middle, lower))
        return skin, eye, mouth

    def _knots(self, a: np.ndarray) -> tuple[list[list[np.ndarray | float]], list[list[np.ndarray | float]]]:
        """Knots of the skin above the eyes, between eyes and mouth, and below the mouth: on the skin and as seen."""
        (upper_lid, lower_lid), (upper_lip, lower_lip) = self.lids(a), self.lips(a)
        eye, mouth = self.eye_seam(a), mouth_seam(a)
        brow = BROW_Y - 0.07 * self.view.brows * np.exp(-(((np.abs(a) - 0.26) / 0.28) ** 2))
        start: list[list[np.ndarray | float]] = [[-1, BROW_Y, eye], [eye, NOSE_Y, mouth], [mouth, CHIN_Y, 1]]
        end: list[list[np.ndarray | float]] = [
            [-1, brow, upper_lid],
            [lower_lid, NOSE_Y - 0.02 * max(self.view.smile, 0), upper_lip],
            [lower_lip, CHIN_Y + 0.3 * (lower_lip - mouth), 1],
        ]
        return start, end


def eye_seam(face: Face, a: np.ndarray) -> np.ndarray:
    """The height of the line in which the lids meet. `a` may have any shape; in half head heights."""
    outer = np.clip(np.abs(a) - face.eyes.gap, -0.25, 0.25)
    result: np.ndarray = EYE_Y - face.eyes.slant * outer
    return result


def mouth_seam(a: np.ndarray) -> np.ndarray:
    """The height of the line in which the lips meet: a slight wave. `a` may have any shape; in half head heights."""
    return MOUTH_Y - 0.006 * np.cos(np.clip(a / 0.09, -np.pi, np.pi))
