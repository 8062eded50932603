"""Head, ears, hair and hat.

Head coordinates: origin in the middle of the head, unit half the head's height, x to the picture's right and y
down, so that the crown is at y = -1 and the chin at y = 1. A point of the face is (angle, y): the angle around
the head's axis from straight ahead, positive to the picture's right.
"""

from __future__ import annotations

import numpy as np

from dynast_deploy.marionette.identity import Identity
from dynast_deploy.marionette.parts import Part
from dynast_deploy.marionette.sheet import Sheet, smooth
from dynast_deploy.marionette.skeleton import Skeleton

# The face's sheet reaches this far around the head to both sides.
FACE_AROUND = 1.9
EYE_ANGLE, EYE_Y = 0.43, 0.10
NOSE_Y = 0.36
MOUTH_Y = 0.60
EAR_Y = 0.16


def head_outline(width: float, jaw: float, y: np.ndarray) -> np.ndarray:
    """Half-width of the head at `y` (-1..1); `jaw` from pointed (0) to square (1)."""
    upper = np.sqrt(np.clip(1 - (np.minimum(y, -0.1) + 0.1) ** 2 / 0.81, 0, 1))
    low = np.clip((y + 0.1) / 1.1, 0, 1)
    power = 2.1 + 0.7 * jaw
    lower = (1 - low**power) ** (0.62 - 0.08 * jaw)
    return width * np.where(y < -0.1, upper, lower)


class Head:
    """The head's sheets of one identity."""

    def __init__(self, who: Identity) -> None:
        p, hair = who.proportions, who.hair
        self.width = p.head_width
        self.jaw = p.jaw
        self.unit = p.head / 2
        self.lift = p.neck + p.head / 2
        self.hair = hair
        unit = self.unit
        self.face = Sheet(
            Part.HEAD,
            np.linspace(-1, 1, 15),
            np.linspace(0, 1, 13),
            2 * FACE_AROUND * self.width * unit,
            2.2 * unit,
            facing=1,
        )
        self.face_y = -np.cos(np.pi * self.face.v)
        self.ears = tuple(
            Sheet(part, np.linspace(-1, 1, 4), np.linspace(0, 1, 6), 0.3 * unit, 0.44 * unit, facing=side)
            for part, side in ((Part.RIGHT_EAR, -1), (Part.LEFT_EAR, 1))
        )
        self.front = Sheet(Part.HAIR, np.linspace(-1, 1, 25), np.linspace(0, 1, 5), 4.4 * unit, 0.9 * unit)
        self._shape_front()
        self.back: Sheet | None = None
        if hair.style in ("bob", "long", "curls"):
            self.back = Sheet(
                Part.HAIR_BACK, np.linspace(-1, 1, 9), np.linspace(0, 1, 12), 2.4 * unit, (hair.back + 1) * unit
            )
        self.tail: Sheet | None = None
        if hair.style in ("tail", "bun"):
            length = 1.9 if hair.style == "tail" else 0.8
            self.tail = Sheet(Part.HAIR_TAIL, np.linspace(-1, 1, 5), np.linspace(0, 1, 9), 0.9 * unit, length * unit)
        self.hat: Sheet | None = None
        if hair.hat is not None:
            self.hat = Sheet(Part.HAT, np.linspace(-1, 1, 17), np.linspace(0, 1, 8), 4.0 * unit, 1.1 * unit)

    def _shape_front(self) -> None:
        """Hairline (angle, y) and outer edge (x, y) of the front hair, from the right side over to the left."""
        hair, s = self.hair, self.front.u
        a = np.abs(s)
        over = np.clip(s / 0.72, -1, 1)  # -1..1 along the arc over the head, then down the sides
        down = np.clip((a - 0.72) / 0.28, 0, 1)
        angle = over * 1.45
        if hair.style in ("fringe", "bob"):
            y = hair.hairline + 0.10 * np.abs(over) ** 6 + 0.03 * np.cos(over * 14)
        elif hair.style in ("side", "long", "tail"):
            y = hair.hairline + 0.42 * np.abs(over - hair.parting * 0.6) ** 1.5 * 0.55 - 0.04
        elif hair.style == "curls":
            y = hair.hairline + 0.16 * np.abs(over) ** 2 + 0.05 * np.abs(np.sin(over * 9))
        else:
            y = hair.hairline + 0.12 * np.abs(over) ** 3 + 0.015 * np.cos(over * 17)
        temple = np.minimum(y, 0.0) + (0.0 - np.minimum(y, 0.0)) * 0.0
        side_y = max(hair.side, 0.05)
        inner = temple + down * (side_y - temple)
        self.front_angle = angle + np.sign(s) * 0.1 * down
        self.front_y = inner
        # Side locks leave the head below the ears and fall straight.
        self.front_falls = np.clip((inner - 0.2) / 0.3, 0, 1)
        grow = 1 + hair.volume * (0.85 if hair.style != "curls" else 1.0)
        theta = over * (np.pi / 2 + 0.08)
        wave = 0.05 * np.abs(np.sin(s * 13)) if hair.style == "curls" else 0.0 * s
        lift = hair.volume * 0.35 * np.cos(theta) * np.cos(theta - 0.4 * hair.parting)
        radius = grow + lift + wave
        x = self.width * np.sin(theta) * (radius + 0.02) * (1 + 0.0 * down)
        y_out = -0.1 - np.cos(theta) * 0.9 * radius
        self.outer_x = x + np.sign(s) * 0.04 * np.sin(np.pi * down)
        self.outer_y = y_out + down * (side_y - y_out) * 1.0

    def place_points(self, k: Skeleton, points: np.ndarray) -> np.ndarray:
        """Head coordinates [..., 2] to the picture."""
        right = np.array([-k.head_axis[1], k.head_axis[0]])
        unit = self.unit * k.scale
        return k.head + unit * (points[..., :1] * right - points[..., 1:] * k.head_axis)

    def on_face(self, angle: np.ndarray, y: np.ndarray, turn: float, nod: float) -> np.ndarray:
        """Head coordinates [..., 2] of points (angle, y) of the turned and nodding face."""
        seen = np.clip(angle + turn, -np.pi / 2, np.pi / 2)
        x = head_outline(self.width, self.jaw, y) * np.sin(seen)
        moved = y + 0.11 * nod * np.sqrt(np.clip(1 - y**2, 0, 1)) * np.cos(seen)
        return np.stack([x, moved], axis=-1)

    def place_face(self, k: Skeleton, turn: float, nod: float) -> np.ndarray:
        angle = np.broadcast_to(self.face.u * FACE_AROUND, (self.face.v.size, self.face.u.size))
        return self.place_points(k, self.on_face(angle, np.broadcast_to(self.face_y[:, None], angle.shape), turn, nod))

    def ear_centre(self, side: int, turn: float) -> np.ndarray:
        """Head coordinates [2] of an ear's middle."""
        angle = side * 1.5 + turn
        return np.array([self.width * 1.03 * np.sin(np.clip(angle, -2.2, 2.2)), EAR_Y])

    def place_ear(self, k: Skeleton, side: int, turn: float) -> np.ndarray:
        sheet = self.ears[0 if side < 0 else 1]
        theta = np.pi * sheet.v
        half = 0.13 * np.sqrt(np.sin(theta) * 0.95 + 0.03)
        x = side * sheet.u[None, :] * half[:, None] + side * 0.03 * np.cos(theta)[:, None]
        y = -0.2 * np.cos(theta)[:, None] + 0 * x
        return self.place_points(k, self.ear_centre(side, turn) + np.stack([x, y], axis=-1))

    def place_front(self, k: Skeleton, turn: float, nod: float, swing: float) -> np.ndarray:
        inner = self.on_face(self.front_angle, np.clip(self.front_y, -1, 1), turn, nod)
        hang = self.front_falls[:, None]
        fall = np.stack([np.sign(self.front.u) * self.width * 0.9, self.front_y], axis=-1)
        inner = inner * (1 - hang) + fall * hang
        outer = np.stack([self.outer_x + 0.05 * turn, self.outer_y], axis=-1)
        w = self.front.v[:, None, None]
        points = inner * (1 - w) + outer * w
        sway = np.clip(points[..., 1] - 0.3, 0, 3) * 0.22 * swing
        points[..., 0] += sway
        return self.place_points(k, points)

    def place_back(self, k: Skeleton, turn: float, swing: float) -> np.ndarray:
        assert self.back is not None
        hair = self.hair
        v = self.back.v
        y = -0.95 - 0.4 * hair.volume + (hair.back + 0.95 + 0.4 * hair.volume) * v
        full = self.width * (1 + hair.volume)
        if hair.style == "curls":
            profile = [(-1.0 - hair.volume, 0.3), (-0.6, full * 0.95), (0.0, full * 1.05), (hair.back * 0.6, full * 1.05), (hair.back, full * 0.55)]
        else:
            end = 0.86 if hair.style == "long" else 0.97
            profile = [(-1.0 - hair.volume, 0.3), (-0.5, full * 0.9), (0.2, full), (hair.back * 0.8, full * 1.04), (hair.back, full * end)]
        half = smooth(profile, y)
        x = half[:, None] * self.back.u
        # Hair hangs down, however the head tilts.
        tilt = np.arctan2(k.head_axis[0], -k.head_axis[1])
        below = np.clip(y - 0.1, 0, 3)[:, None]
        x = x + below * (np.tan(tilt) * 0.8 + 0.25 * swing) - 0.06 * turn
        yy = y[:, None] + (v**3)[:, None] * 0.07 * np.cos(self.back.u * 2.2)
        return self.place_points(k, np.stack([x, np.broadcast_to(yy, x.shape)], axis=-1))

    def place_tail(self, k: Skeleton, turn: float, swing: float) -> np.ndarray:
        assert self.tail is not None
        v, u = self.tail.v, self.tail.u
        if self.hair.style == "bun":
            theta = np.pi * v
            points = np.stack(
                [0.42 * np.sqrt(np.sin(theta) + 0.02)[:, None] * u - 0.25 * turn, -1.22 - 0.36 * np.cos(theta)[:, None] + 0 * u], axis=-1
            )
            return self.place_points(k, points)
        side = 1.0 if self.hair.parting < 0 else -1.0
        middle_x = side * (0.35 + 0.85 * np.sqrt(v)) - 0.3 * turn + v**1.5 * swing * 0.5
        middle_y = -0.85 - 0.45 * np.sin(np.pi * np.minimum(v * 1.6, 1)) * (1 - v) + 1.9 * v**1.4
        half = smooth([(0, 0.12), (0.12, 0.2), (0.5, 0.27), (0.8, 0.2), (1, 0.03)], v)
        dx, dy = np.gradient(middle_x), np.gradient(middle_y)
        norm = np.hypot(dx, dy)
        x = middle_x[:, None] + u * (half * dy / norm)[:, None]
        y = middle_y[:, None] - u * (half * dx / norm)[:, None]
        return self.place_points(k, np.stack([x, y], axis=-1))

    def place_hat(self, k: Skeleton, turn: float, nod: float) -> np.ndarray:
        """A knitted hat: from its rolled brim (v = 0) up over the crown (v = 1)."""
        assert self.hat is not None
        u, v = self.hat.u, self.hat.v
        theta = u * np.pi / 2
        brim_y = -0.36
        grow = 1.1 + 0.5 * self.hair.volume
        brim = np.stack([self.width * grow * np.sin(theta), brim_y + 0.10 * np.cos(theta) + 0.08 * nod * np.cos(theta)], axis=-1)
        rise = smooth([(0, 0.0), (0.3, 0.24), (1, 1.0)], v)
        top = np.stack([0.55 * self.width * np.sin(theta) + 0.0 * turn, -1.24 - 0.02 * np.cos(theta)], axis=-1)
        w = rise[:, None, None]
        points = brim * (1 - w) + top * w
        bow = np.sin(np.pi * np.clip(rise, 0, 1)) * 0.22
        points[..., 0] += (np.sin(theta) * self.width)[None, :] * bow[:, None]
        points[..., 1] -= 0.10 * np.sin(np.pi * rise)[:, None] * np.cos(theta)[None, :]
        cuff = (v < 0.3)[:, None] * np.sign(u) * 0.035
        points[..., 0] += cuff
        return self.place_points(k, points)
