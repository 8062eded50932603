"""A drawn face in one view: where places on its surfaces lie in the picture.

Surfaces are flat (torso, hair behind the head, ears) or bent around the head (skin, hair, glasses); eyes and the
inside of the mouth are seen where the skin opens. A place is (a, y), see `geometry`. What a picture position shows,
the way back, is in `trace`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from dynast_deploy.synthetic.faces.expression import Expression
from dynast_deploy.synthetic.faces.geometry import RADIUS, Frame, Turn, head_width, nod
from dynast_deploy.synthetic.faces.hair import shell_width
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.labels import FaceLayer
from dynast_deploy.synthetic.faces.view import View

GLASSES_OFF = 1.05
"""How far from the head's axis glasses sit: times its width."""

_EAR_AT, _EAR_ANGLE = 1.42 * RADIUS, math.radians(62)
_EAR_Y, _EAR_HALF, _EAR_WIDE = 0.02, 0.21, 0.20
_LEAST_EAR = 0.01
_GAZE = (0.05, 0.03)
_LEAST_FACING = 0.03


class Ear(NamedTuple):
    """An ear as seen, in the head's frame: its foot and middle height, half its height, its signed length from the foot
    outwards, whether any of it is seen, and whether that is before the head."""

    x: float
    y: float
    half: float
    length: float
    seen: bool
    near: bool


@dataclass(frozen=True)
class Scene:
    """A face in a view."""

    face: Face
    view: View

    @cached_property
    def frame(self) -> Frame:
        """From the picture to the head and the torso, and back."""
        return Frame(self.view)

    @cached_property
    def turn(self) -> Turn:
        """How far the head is turned to the side."""
        return Turn.of(self.face.skull, self.view.yaw)

    @cached_property
    def expression(self) -> Expression:
        """Where the mouth and the eyes of this view lie."""
        return Expression(self.face, self.view)

    @property
    def gaze(self) -> tuple[float, float]:
        """How far the irises have moved, right and down."""
        return _GAZE[0] * self.view.gaze[0], _GAZE[1] * self.view.gaze[1]

    def place(
        self, layer: FaceLayer, a: np.ndarray, y: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Picture positions x, y (shares of its side) of places of a layer, and whether the surface faces the viewer
        and is open there; something else may still lie before it.

        Arrays of one shape.
        """
        if layer is FaceLayer.TORSO:
            return *self.frame.from_torso(a, y), np.ones(a.shape, bool)
        if layer is FaceLayer.HAIR_BACK:
            return *self.frame.from_head(a, y), np.ones(a.shape, bool)
        if layer in (FaceLayer.LEFT_EAR, FaceLayer.RIGHT_EAR):
            ear = self.ear(layer)
            at = self.frame.from_head(ear.x + a * ear.length, ear.y + y * ear.half)
            return *at, np.full(a.shape, ear.seen)
        open_ = np.ones(a.shape, bool)
        if layer is FaceLayer.HAIR:
            across, facing = self.turn.place(a, shell_width(self.face, y))
            return *self.frame.from_head(across, y + self.shell_slide(a, y)), facing > _LEAST_FACING
        if layer is FaceLayer.GLASSES:
            down = nod(y, a, self.view.pitch)
            across, facing = self.turn.place(a, GLASSES_OFF * head_width(self.face.skull, down))
            return *self.frame.from_head(across, down), facing > _LEAST_FACING
        if layer is FaceLayer.SKIN:
            down = self.expression.move(a, y)
        elif layer is FaceLayer.EYES:
            a, down = a + self.gaze[0], y + self.gaze[1]
            upper, lower = self.expression.lids(a)
            open_ = (down > upper) & (down < lower)
        else:
            down = y
            upper, lower = self.expression.lips(a)
            open_ = (down > upper) & (down < lower)
        seen_a = self.expression.spread(a, down)
        height = nod(down, seen_a, self.view.pitch)
        across, facing = self.turn.place(seen_a, head_width(self.face.skull, height))
        return *self.frame.from_head(across, self.expression.jaw(height)), open_ & (facing > _LEAST_FACING)

    def shell_slide(self, a: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How far down the pitch of the head moves the hair at the front.

        Arrays whose shapes broadcast, in half head heights.
        """
        fade = np.clip(1 - y * y, 0, 1)
        result: np.ndarray = 0.42 * math.sin(self.view.pitch) * np.maximum(np.cos(a / RADIUS), 0) * fade
        return result

    def ear(self, layer: FaceLayer) -> Ear:
        """Place and size of the ear of `LEFT_EAR` or `RIGHT_EAR` in this view."""
        sign = -1 if layer is FaceLayer.LEFT_EAR else 1
        width = head_width(self.face.skull, np.array(_EAR_Y))
        foot, facing = self.turn.place(np.array(sign * _EAR_AT), width)
        yaw = self.view.yaw
        out = math.sin(_EAR_ANGLE) * math.cos(yaw) - sign * math.cos(_EAR_ANGLE) * math.sin(yaw)
        length = _EAR_WIDE * out
        height = _EAR_Y - 0.12 * math.sin(self.view.pitch)
        return Ear(float(foot), height, _EAR_HALF, sign * length, length > _LEAST_EAR, bool(facing > 0))
