"""Arms, hands, legs and feet, and what they wear, as tapered tubes that bend smoothly."""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.people.identity import Identity
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.pose import Leg
from dynast_deploy.synthetic.people.sheet import Sheet, smooth
from dynast_deploy.synthetic.people.skeleton import Point

# Where sleeves and trouser legs begin, seen from the shoulder and hip joints.
SLEEVE_START, TROUSER_START = -0.026, -0.03

_ACROSS = np.array([-1.0, 0.0, 1.0])


class Tube:
    """A tube around the two bones a-b and b-c, between two positions along them.

    `joins` is a part and the position up to which the tube continues it. Positions `s` are lengths from `a`
    in body heights, below 0 or beyond both bones where the tube runs on. The middle line turns the corner at
    `b` within `turn` to both sides.
    """

    def __init__(
        self,
        part: Part,
        bones: tuple[float, float],
        span: tuple[float, float],
        half_width: list[tuple[float, float]],
        turn: float,
        rows: int,
        start_cap: float = 0.0,
        end_cap: float = 0.0,
        joins: tuple[Part, float] | None = None,
    ) -> None:
        self.bones = bones
        start, end = span
        s = np.linspace(start + start_cap, end - end_cap, rows)
        cap = 1 - np.cos(np.linspace(0, np.pi / 2, 4, endpoint=False))
        if start_cap:
            s = np.concatenate([start + start_cap * cap, s])
        if end_cap:
            s = np.concatenate([s, (end - end_cap * cap)[::-1]])
        self.s = s
        widths = smooth(half_width, s)
        if start_cap:
            widths = widths * _round_end((s - start) / start_cap)
        if end_cap:
            widths = widths * _round_end((end - s) / end_cap)
        self.half_width = widths
        # The middle line is b + before * (b - a) / bone + after * (c - b) / bone, a parabola near b.
        x = s - bones[0]
        t = np.clip((x + turn) / (2 * turn), 0, 1)
        self.before = np.where(x < -turn, x, -turn * (1 - t) ** 2)
        self.after = np.where(x > turn, x, turn * t**2)
        self.before_slope, self.after_slope = 1 - t, t
        self.sheet = Sheet(
            part,
            _ACROSS,
            (s - start) / (end - start),
            width=float(np.pi * widths.max()),
            length=end - start,
            facing=-1 if part.name.startswith("RIGHT") else 1,
            joins=joins and (joins[0], (joins[1] - start) / (end - start)),
        )

    def place(self, a: Point, b: Point, c: Point, scale: float) -> np.ndarray:
        """float64 [R, C, 2] points for the joints a, b, c."""
        first, second = (b - a) / self.bones[0], (c - b) / self.bones[1]
        middle = b + self.before[:, None] * first + self.after[:, None] * second
        along = self.before_slope[:, None] * first + self.after_slope[:, None] * second
        along /= np.maximum(np.hypot(along[:, :1], along[:, 1:]), 1e-9)
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1)
        outwards = normal * (self.half_width * scale * self.sheet.facing)[:, None]
        result: np.ndarray = middle[:, None] + self.sheet.u[:, None] * outwards[:, None]
        return result


def _round_end(x: np.ndarray) -> np.ndarray:
    """Half-width factor of a round end, `x` from 0 at its tip to 1 and more beyond it."""
    x = np.clip(x, 0, 1)
    result: np.ndarray = np.sqrt(np.maximum(1 - (1 - x) ** 2, 0.03))
    return result


def arm_tubes(who: Identity, side: int) -> dict[str, Tube]:
    """The arm, hand, thumb and (if any) sleeve of the right (side -1) or left (side 1)."""
    p = who.proportions
    k = 0.35 + 0.65 * p.build
    right = side < 0
    bones = (p.upper_arm, p.forearm)
    arm = p.upper_arm + p.forearm
    skin = [
        (-0.026, 0.027 * k),
        (0.02, 0.0275 * k),
        (0.6 * p.upper_arm, 0.0245 * k),
        (p.upper_arm, 0.0215 * k),
        (p.upper_arm + 0.35 * p.forearm, 0.0215 * k),
        (arm, 0.0148 * (0.5 + 0.5 * k)),
        (arm + 0.02, 0.0145 * (0.5 + 0.5 * k)),
    ]
    tubes: dict[str, Tube] = {}
    covered = who.top.sleeve * arm
    bare_from = -0.026 if covered <= 0 else min(covered - 0.035, arm - 0.03)
    tubes["arm"] = Tube(
        Part.RIGHT_ARM if right else Part.LEFT_ARM,
        bones,
        (bare_from, arm + 0.012),
        skin,
        turn=0.035,
        rows=12 if covered < 0.5 * arm else 5,
        start_cap=0.03 if covered <= 0 else 0.0,
    )
    hand = p.hand
    wide = 0.019 * (0.6 + 0.4 * k)
    tubes["hand"] = Tube(
        Part.RIGHT_HAND if right else Part.LEFT_HAND,
        (0.3 * hand, 0.7 * hand),
        (-0.012, hand),
        [
            (-0.012, 0.0145),
            (0.008, 0.016),
            (0.4 * hand, wide),
            (0.62 * hand, wide * 0.97),
            (hand, wide * 0.62),
        ],
        turn=0.01,
        rows=6,
        end_cap=0.014,
    )
    tubes["thumb"] = Tube(
        Part.RIGHT_THUMB if right else Part.LEFT_THUMB,
        (0.3 * hand, 0.34 * hand),
        (-0.01, 0.58 * hand),
        [(-0.01, 0.0085), (0.2 * hand, 0.0085), (0.58 * hand, 0.0055)],
        turn=0.008,
        rows=4,
        end_cap=0.008,
    )
    if covered > 0:
        ease = 0.0045 + 0.013 * who.top.slack
        sleeve = [(s, w + ease * min(1.0, 0.25 + max(s, 0) / (0.5 * arm))) for s, w in skin]
        cuff = who.top.kind in ("jumper", "jacket", "shirt") and who.top.sleeve > 0.8
        if cuff:
            sleeve = [(s, w) for s, w in sleeve if s < covered - 0.03]
            wrist = 0.0148 * (0.5 + 0.5 * k) + 0.0035
            sleeve += [
                (covered - 0.022, wrist + ease * 0.9),
                (covered - 0.012, wrist + 0.002),
                (covered, wrist),
            ]
        tubes["sleeve"] = Tube(
            Part.RIGHT_SLEEVE if right else Part.LEFT_SLEEVE,
            bones,
            (SLEEVE_START, covered),
            sleeve,
            turn=0.04,
            rows=6 if covered < 0.55 * arm else 14,
            start_cap=0.03,
            joins=(Part.TORSO, 0.03),
        )
    return tubes


def leg_tubes(who: Identity, side: int) -> dict[str, Tube]:
    """The leg and (if any) trouser leg of one side."""
    p = who.proportions
    k = 0.3 + 0.7 * p.build
    right = side < 0
    bones = (p.thigh, p.thigh)
    hip = 0.47 * p.hip
    skin = [
        (-0.03, hip),
        (0.05, hip * 1.02),
        (0.55 * p.thigh, 0.0385 * k),
        (p.thigh, 0.0275 * k),
        (p.thigh + 0.3 * p.thigh, 0.0295 * k),
        (p.leg - 0.03, 0.0165 * (0.4 + 0.6 * k)),
        (p.leg + 0.02, 0.0165 * (0.4 + 0.6 * k)),
    ]
    bottom = who.bottom
    tubes: dict[str, Tube] = {}
    trousers = bottom.kind != "skirt"
    covered = bottom.length * p.leg if trousers else 0.0
    tubes["leg"] = Tube(
        Part.RIGHT_LEG if right else Part.LEFT_LEG,
        bones,
        (max(covered - 0.05, -0.03), p.leg + 0.012),
        skin,
        turn=0.05,
        rows=12 if covered < 0.6 * p.leg else 4,
    )
    if trousers:
        ease = 0.003 + 0.016 * bottom.slack
        wide = 0.018 * bottom.flare * bottom.slack
        cloth = [
            (s, w + ease * min(1.0, 0.4 + max(s, 0) / p.thigh) + wide * max(s - p.thigh, 0) / p.thigh)
            for s, w in skin
        ]
        tubes["trouser"] = Tube(
            Part.RIGHT_TROUSER if right else Part.LEFT_TROUSER,
            bones,
            (TROUSER_START, covered),
            cloth,
            turn=0.06,
            rows=8 if covered < 0.6 * p.leg else 14,
            joins=(Part.PELVIS, 0.10),
        )
    return tubes


class Shoe:
    """A shoe: a sheet from heel (u = -1) to toe (1) and from the opening (v = 0) to the sole (1)."""

    def __init__(self, who: Identity, side: int) -> None:
        p = who.proportions
        length = 0.102 * (0.6 + 0.4 * p.build)
        u = np.linspace(-1, 1, 11)
        v = np.array([0, 0.25, 0.5, 0.72, 0.9, 1.0])
        x = (u + 1) / 2
        # In units of the foot's height, 0 at the ankle joint and 1 on the ground.
        top = smooth(
            [(0, 0.0), (0.1, -0.22), (0.42, -0.22), (0.55, 0.05), (0.8, 0.3), (0.93, 0.5), (1.0, 0.75)], x
        )
        bottom = smooth([(0, 0.9), (0.08, 1.0), (0.92, 1.0), (1.0, 0.9)], x)
        self.y = (top + (bottom - top) * v[:, None]) * p.foot
        bulge = np.sin(np.pi * v[:, None]) * np.where(x > 0.5, 1.0, -1.0) * np.abs(2 * x - 1) ** 3
        self.x = (-0.25 + x + 0.025 * bulge) * length
        part = Part.RIGHT_SHOE if side < 0 else Part.LEFT_SHOE
        self.sheet = Sheet(part, u, v, width=length, length=p.foot * 1.25, facing=side)

    def place(self, ankle: Point, knee: Point, leg: Leg, scale: float) -> np.ndarray:
        """float64 [R, C, 2] points of a shoe on the ankle of a shin that comes from `knee`; a foot that
        turns out less is seen shorter, a lifted one hangs."""
        side = self.sheet.facing
        x = self.x * (0.55 + 0.45 * leg.toe) + 0.004 * (1 - leg.toe)
        shin = ankle - knee
        lean = np.arctan2(-side * shin[0], shin[1])
        angle = 0.6 * min(1.0, leg.up / 0.12) + 0.25 * lean * min(1.0, leg.up / 0.05)
        c, s = np.cos(angle), np.sin(angle)
        points = np.stack([side * (x * c - self.y * s), x * s + self.y * c], axis=-1)
        return ankle + scale * points
