"""Head, ears, hair and hat.

Head coordinates: origin in the middle of the head, unit half the head's height, x to the picture's right and
y down, so that the crown is at y = -1 and the chin at y = 1. A point of the face is (angle, y): the angle
around the head's axis from straight ahead, positive to the picture's right.
"""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.people.identity import Identity
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.sheet import Sheet, smooth
from dynast_deploy.synthetic.people.skeleton import Skeleton

# The face's sheet reaches this far around the head to both sides.
FACE_AROUND = 1.9
EYE_ANGLE, EYE_Y = 0.43, 0.10
NOSE_Y = 0.36
MOUTH_Y = 0.60
EAR_Y = 0.16


def head_outline(width: float, jaw: float, y: np.ndarray) -> np.ndarray:
    """Half-width of the head at `y` (-1..1); `jaw` from pointed (0) to square (1).

    `y` may have any shape; the result has it too, in the unit of `width`.
    """
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
                Part.HAIR_BACK,
                np.linspace(-1, 1, 7),
                np.linspace(0, 1, 14),
                2.4 * unit,
                (hair.back + 1) * unit,
            )
        self.tail: Sheet | None = None
        if hair.style in ("tail", "bun"):
            length = 1.9 if hair.style == "tail" else 0.8
            self.tail = Sheet(
                Part.HAIR_TAIL, np.linspace(-1, 1, 3), np.linspace(0, 1, 14), 0.9 * unit, length * unit
            )
        self.hat: Sheet | None = None
        if hair.hat is not None:
            self.hat = Sheet(
                Part.HAT,
                np.linspace(-1, 1, 15),
                np.array([0, 0.26, 0.29, 0.42, 0.56, 0.7, 0.82, 0.92, 1.0]),
                4.0 * unit,
                1.1 * unit,
            )

    def _shape_front(self) -> None:
        """Hairline (angle, y) and outer edge (x, y) of the front hair, from right to left."""
        hair, s = self.hair, self.front.u
        over = np.clip(s / 0.72, -1, 1)  # along the arc over the head, then down the sides
        down = np.clip((np.abs(s) - 0.72) / 0.28, 0, 1)
        rng = np.random.default_rng(round(1e4 * (hair.volume + hair.hairline + 2)))
        hairline = self._hairline(over, rng)
        side_y = max(hair.side, 0.05)
        self.front_angle = 1.45 * over + np.sign(s) * 0.1 * down
        self.front_y = hairline + down * (side_y - hairline)
        # Side locks leave the head below the ears and fall straight.
        self.front_falls = np.clip((self.front_y - 0.2) / 0.3, 0, 1)
        theta = over * (np.pi / 2 + 0.08)
        tufts = rng.normal(0, 1, s.size) * np.cos(theta) ** 2
        radius = 1 + hair.volume * (0.85 + 0.35 * np.cos(theta) * np.cos(theta - 0.5 * hair.parting))
        if hair.style == "curls":
            radius += 0.05 * np.abs(np.sin(s * 13))
        elif hair.style in ("short", "side"):
            radius += 0.022 * tufts
        outer_x = self.width * np.sin(theta) * (radius + 0.02)
        outer_y = -0.1 - 0.9 * np.cos(theta) * radius
        outer_y += down * (side_y - outer_y)
        # Locks end round; the sides of short hair run out along the head.
        close = down**2 if hair.side < 0.5 else 0.8 * np.clip((down - 0.6) / 0.4, 0, 1) ** 2
        self.outer_x = outer_x * (1 - close) + np.sign(s) * self.width * 0.97 * close
        self.outer_y = outer_y

    def _hairline(self, over: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Height of the hairline at -1..1 over the forehead, from temple to temple."""
        hair = self.hair
        a = np.abs(over)
        line: np.ndarray
        if hair.style in ("fringe", "bob"):
            line = hair.hairline + 0.12 * a**5 + 0.035 * rng.normal(0, 1, over.size) * (a < 0.9)
        elif hair.style in ("side", "long"):
            # Parted: highest at the parting, sweeping down to both temples.
            part = 0.7 * hair.parting
            sweep = np.abs(over - part) / np.where(over > part, 1 - part, 1 + part)
            line = -0.66 + (0.62 + 0.6 * (hair.hairline + 0.36)) * sweep**1.4
        elif hair.style == "curls":
            line = hair.hairline + 0.16 * a**2 + 0.05 * np.abs(np.sin(over * 9))
        elif hair.style == "tail":
            line = hair.hairline - 0.08 + 0.25 * a**2
        else:
            line = hair.hairline - 0.04 + 0.10 * a**3 + 0.02 * rng.normal(0, 1, over.size) * (a < 0.9)
        return line

    def place_points(self, k: Skeleton, points: np.ndarray) -> np.ndarray:
        """Head coordinates [..., 2] to the picture."""
        right = np.array([-k.head_axis[1], k.head_axis[0]])
        unit = self.unit * k.scale
        result: np.ndarray = k.head + unit * (points[..., :1] * right - points[..., 1:] * k.head_axis)
        return result

    def on_face(self, angle: np.ndarray, y: np.ndarray, turn: float, nod: float) -> np.ndarray:
        """Head coordinates [..., 2] of points (angle, y) of the turned and nodding face."""
        seen = np.clip(angle + turn, -np.pi / 2, np.pi / 2)
        x = head_outline(self.width, self.jaw, y) * np.sin(seen)
        moved = y + 0.11 * nod * np.sqrt(np.clip(1 - y**2, 0, 1)) * np.cos(seen)
        return np.stack([x, moved], axis=-1)

    def place_face(self, k: Skeleton, turn: float, nod: float) -> np.ndarray:
        """Points of the face in the picture, `[rows, columns, 2]`.

        `turn` and `nod` are `head_turn` and `nod` of `Pose`.
        """
        angle = np.broadcast_to(self.face.u * FACE_AROUND, (self.face.v.size, self.face.u.size))
        return self.place_points(
            k, self.on_face(angle, np.broadcast_to(self.face_y[:, None], angle.shape), turn, nod)
        )

    def ear_centre(self, side: int, turn: float) -> np.ndarray:
        """Head coordinates [2] of an ear's middle."""
        angle = side * 1.5 + turn
        return np.array([self.width * 1.03 * np.sin(np.clip(angle, -2.2, 2.2)), EAR_Y])

    def place_ear(self, k: Skeleton, side: int, turn: float) -> np.ndarray:
        """Points of the ear of side -1 (left) or 1 in the picture, `[rows, columns, 2]`."""
        sheet = self.ears[0 if side < 0 else 1]
        theta = np.pi * sheet.v
        half = 0.13 * np.sqrt(np.sin(theta) * 0.95 + 0.03)
        x = side * sheet.u[None, :] * half[:, None] + side * 0.03 * np.cos(theta)[:, None]
        y = -0.2 * np.cos(theta)[:, None] + 0 * x
        return self.place_points(k, self.ear_centre(side, turn) + np.stack([x, y], axis=-1))

    def place_front(self, k: Skeleton, turn: float, nod: float, swing: float) -> np.ndarray:
        """Points of the hair in front in the picture, `[rows, columns, 2]`."""
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
        """Points of the hair behind in the picture, `[rows, columns, 2]`."""
        assert self.back is not None
        hair = self.hair
        v = self.back.v
        y = -0.95 - 0.4 * hair.volume + (hair.back + 0.95 + 0.4 * hair.volume) * v
        full = self.width * (1 + hair.volume)
        if hair.style == "curls":
            profile = [
                (-1.0 - hair.volume, 0.08),
                (-0.93 - 0.8 * hair.volume, 0.45),
                (-0.6, full * 0.95),
                (0.0, full * 1.05),
                (hair.back * 0.6, full * 1.0),
                (hair.back, full * 0.35),
            ]
        else:
            end = 0.86 if hair.style == "long" else 0.97
            profile = [
                (-1.0 - hair.volume, 0.3),
                (-0.5, full * 0.9),
                (0.2, full),
                (hair.back * 0.8, full * 1.04),
                (hair.back, full * end),
            ]
        half = smooth(profile, y)
        if hair.style == "curls":
            half = half * (1 + 0.03 * np.sin(14 * y))
        x = half[:, None] * self.back.u
        # Hair hangs down, however the head tilts.
        tilt = np.arctan2(k.head_axis[0], -k.head_axis[1])
        below = np.clip(y - 0.1, 0, 3)[:, None]
        x = x + below * (np.tan(tilt) * 0.8 + 0.25 * swing) - 0.06 * turn
        yy = y[:, None] + (v**3)[:, None] * 0.07 * np.cos(self.back.u * 2.2)
        return self.place_points(k, np.stack([x, np.broadcast_to(yy, x.shape)], axis=-1))

    def place_tail(self, k: Skeleton, turn: float, swing: float) -> np.ndarray:
        """Points of a bun or tail in the picture, `[rows, columns, 2]`."""
        assert self.tail is not None
        v, u = self.tail.v, self.tail.u
        if self.hair.style == "bun":
            theta = np.pi * v
            points = np.stack(
                [
                    0.40 * np.sqrt(np.sin(theta) + 0.004)[:, None] * u - 0.25 * turn,
                    -1.22 - 0.36 * np.cos(theta)[:, None] + 0 * u,
                ],
                axis=-1,
            )
            return self.place_points(k, points)
        side = 1.0 if self.hair.parting < 0 else -1.0
        middle_x = side * (0.35 + 0.85 * np.sqrt(v)) - 0.3 * turn + v**1.5 * swing * 0.5
        middle_y = -0.85 - 0.45 * np.sin(np.pi * np.minimum(v * 1.6, 1)) * (1 - v) + 1.9 * v**1.4
        half = smooth([(0, 0.10), (0.1, 0.17), (0.4, 0.27), (0.7, 0.24), (0.9, 0.13), (1, 0.02)], v)
        dx, dy = np.gradient(middle_x), np.gradient(middle_y)
        norm = np.hypot(dx, dy)
        x = middle_x[:, None] + u * (half * dy / norm)[:, None]
        y = middle_y[:, None] - u * (half * dx / norm)[:, None]
        return self.place_points(k, np.stack([x, y], axis=-1))

    def place_hat(self, k: Skeleton, turn: float, nod: float) -> np.ndarray:
        """A knitted hat: from its rolled brim (v = 0) up over the crown (v = 1).

        Points in the picture, `[rows, columns, 2]`; `turn` and `nod` are `head_turn` and `nod` of `Pose`.
        """
        assert self.hat is not None
        u, v = self.hat.u, self.hat.v
        theta = u * np.pi / 2
        half = self.width * (1.1 + 0.5 * self.hair.volume)
        # A straight rolled brim, then a dome.
        dome = np.clip((v - 0.28) / 0.72, 0, 1) * np.pi / 2
        rise = 0.26 * np.minimum(v / 0.28, 1) + 0.72 * np.sin(dome)
        wide = half * np.cos(dome) ** 0.7 + 0.035 * (v < 0.28)
        x = wide[:, None] * np.sin(theta)
        front = np.cos(theta) * np.cos(dome)[:, None]
        y = -0.34 - rise[:, None] + (0.10 + 0.08 * nod) * front
        return self.place_points(k, np.stack([x + 0.04 * turn * front, y], axis=-1))
