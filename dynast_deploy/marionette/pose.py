"""Poses: how a marionette stands, and random plausible ones.

Lengths are in body heights, angles in radians. Arms are posed by angles, legs by where the feet are:
knees follow (see skeleton.py), so that a planted foot stays planted while hips sway.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class Arm:
    """`lift` from hanging (0) through sideways (pi/2) to straight up (pi), negative across the body;
    `bend` turns the forearm on, outwards and up if positive; `wrist` turns the hand on from there.
    `upper_reach` and `fore_reach` (0..1) shorten what points at or away from the viewer."""

    lift: float = 0.18
    bend: float = 0.1
    wrist: float = 0.0
    upper_reach: float = 1.0
    fore_reach: float = 1.0


@dataclass(frozen=True)
class Leg:
    """Foot `out` to its own side from the middle of the figure and `up` from the ground; `knee` is the share of
    a knee's bend that shows sideways (the rest comes towards the viewer); `toe` turns the foot out (0..1)."""

    out: float = 0.06
    up: float = 0.0
    knee: float = 0.35
    toe: float = 0.55


@dataclass(frozen=True)
class Pose:
    """A whole pose and its place in the picture.

    `x` is the middle between the feet and `ground` the line they stand on, both as fractions of the picture's
    side; `scale` is the standing height as such a fraction. `sway` moves the hips to the picture's right,
    `drop` lowers them, `jump` lifts the figure. Positive angles lean, tilt and turn to the picture's right.
    `swing` is how far hanging hair and skirts lag to the picture's right (-1..1). `right` is the person's right.
    """

    x: float = 0.5
    ground: float = 0.93
    scale: float = 0.86
    sway: float = 0.0
    drop: float = 0.0
    jump: float = 0.0
    hip_tilt: float = 0.0
    lean: float = 0.0
    shoulder_tilt: float = 0.0
    turn: float = 0.0
    head_tilt: float = 0.0
    head_turn: float = 0.0
    nod: float = 0.0
    swing: float = 0.0
    right_arm: Arm = Arm()
    left_arm: Arm = Arm()
    right_leg: Leg = Leg()
    left_leg: Leg = Leg()
    right_arm_behind: bool = False
    left_arm_behind: bool = False
    left_leg_in_front: bool = False

    def mirrored(self) -> Pose:
        """The pose as a mirror shows it: left and right exchanged."""
        return replace(
            self,
            x=1.0 - self.x,
            sway=-self.sway,
            hip_tilt=-self.hip_tilt,
            lean=-self.lean,
            shoulder_tilt=-self.shoulder_tilt,
            turn=-self.turn,
            head_tilt=-self.head_tilt,
            head_turn=-self.head_turn,
            swing=-self.swing,
            right_arm=self.left_arm,
            left_arm=self.right_arm,
            right_leg=self.left_leg,
            left_leg=self.right_leg,
            right_arm_behind=self.left_arm_behind,
            left_arm_behind=self.right_arm_behind,
            left_leg_in_front=not self.left_leg_in_front,
        )


# Arms people make: (lift, bend, upper reach, fore reach) and how often.
_ARMS: tuple[tuple[float, tuple[float, float, float, float]], ...] = (
    (5.0, (0.16, 0.10, 1.0, 1.0)),  # hanging
    (2.0, (0.35, 0.55, 1.0, 0.95)),  # hanging, forearm out
    (2.0, (0.75, -1.75, 0.95, 0.95)),  # hand on the hip
    (1.5, (0.25, -0.95, 1.0, 0.7)),  # hand before the belly
    (1.2, (0.30, -1.9, 0.9, 0.85)),  # hand on the chest
    (2.0, (1.45, 0.12, 1.0, 1.0)),  # out
    (2.0, (1.35, 1.45, 0.95, 1.0)),  # out, forearm up
    (1.2, (1.35, -1.35, 1.0, 1.0)),  # out, forearm down
    (2.0, (2.55, 0.15, 1.0, 1.0)),  # up
    (1.5, (2.20, 1.20, 0.95, 1.0)),  # up, hand over the head
    (1.5, (0.70, 1.85, 0.9, 0.95)),  # waving
    (1.0, (0.95, -2.35, 0.8, 0.8)),  # hand at the shoulder
)


def sample_pose(rng: np.random.Generator) -> Pose:
    """A plausible standing, gesturing or dancing pose that lies within the picture for every identity."""
    from dynast_deploy.marionette.skeleton import framed

    twins = rng.random() < 0.3
    right_arm = _sample_arm(rng)
    left_arm = replace(right_arm, wrist=float(rng.normal(0, 0.2))) if twins else _sample_arm(rng)
    right_leg, left_leg, drop, sway = _sample_legs(rng)
    lean = float(np.clip(rng.normal(0, 0.09), -0.24, 0.24))
    turn = float(np.clip(rng.normal(0, 0.2), -0.45, 0.45))
    pose = Pose(
        scale=float(rng.uniform(0.80, 0.88)),
        ground=float(rng.uniform(0.92, 0.955)),
        sway=sway + float(rng.normal(0, 0.012)),
        drop=drop,
        hip_tilt=float(np.clip(rng.normal(0, 0.06), -0.15, 0.15)),
        lean=lean,
        shoulder_tilt=float(np.clip(0.5 * lean + rng.normal(0, 0.06), -0.22, 0.22)),
        turn=turn,
        head_tilt=float(np.clip(0.4 * lean + rng.normal(0, 0.1), -0.3, 0.3)),
        head_turn=float(np.clip(0.7 * turn + rng.normal(0, 0.22), -0.6, 0.6)),
        nod=float(np.clip(rng.normal(0, 0.35), -0.9, 0.9)),
        swing=float(np.clip(rng.normal(0, 0.25), -0.8, 0.8)),
        right_arm=right_arm,
        left_arm=left_arm,
        right_leg=right_leg,
        left_leg=left_leg,
        right_arm_behind=bool(0.3 < right_arm.lift < 0.9 and right_arm.bend < -1.2 and rng.random() < 0.25),
        left_arm_behind=bool(0.3 < left_arm.lift < 0.9 and left_arm.bend < -1.2 and rng.random() < 0.25),
        left_leg_in_front=bool(rng.random() < 0.5),
    )
    return framed([pose], place=float(rng.uniform(0, 1)))[0]


def _sample_arm(rng: np.random.Generator) -> Arm:
    weights = np.array([weight for weight, _ in _ARMS])
    _, (lift, bend, upper, fore) = _ARMS[int(rng.choice(len(_ARMS), p=weights / weights.sum()))]
    return Arm(
        lift=float(lift + rng.normal(0, 0.16)),
        bend=float(bend + rng.normal(0, 0.22)),
        wrist=float(np.clip(rng.normal(0, 0.25), -0.6, 0.6)),
        upper_reach=float(np.clip(upper - abs(rng.normal(0, 0.05)), 0.6, 1.0)),
        fore_reach=float(np.clip(fore - abs(rng.normal(0, 0.08)), 0.55, 1.0)),
    )


def _sample_legs(rng: np.random.Generator) -> tuple[Leg, Leg, float, float]:
    """Right leg, left leg, how far the hips drop, how far they sway."""

    def leg(out: float, up: float = 0.0, knee: float = 0.35) -> Leg:
        return Leg(
            out=float(out + rng.normal(0, 0.012)),
            up=up,
            knee=float(np.clip(knee + rng.normal(0, 0.12), 0.1, 0.9)),
            toe=float(rng.uniform(0.3, 0.9)),
        )

    stance = rng.choice(("stand", "wide", "weight", "lunge", "raise", "cross"), p=(0.34, 0.2, 0.16, 0.1, 0.13, 0.07))
    drop = float(abs(rng.normal(0, 0.008)))
    if stance == "stand":
        legs = leg(0.058), leg(0.058)
        return *legs, drop, 0.0
    if stance == "wide":
        out = rng.uniform(0.1, 0.17)
        return leg(out, knee=0.6), leg(out, knee=0.6), float(rng.uniform(0, 0.05)), 0.0
    side = 1.0 if rng.random() < 0.5 else -1.0
    if stance == "weight":
        standing, free = leg(0.035), leg(rng.uniform(0.08, 0.13), knee=0.3)
        sway = 0.035
    elif stance == "lunge":
        standing, free = leg(0.15, knee=0.8), leg(0.2, knee=0.1)
        sway, drop = 0.06, float(rng.uniform(0.02, 0.06))
    elif stance == "raise":
        standing, free = leg(0.025), leg(rng.uniform(0.05, 0.12), up=float(rng.uniform(0.06, 0.2)), knee=0.55)
        sway = 0.02
    else:
        standing, free = leg(0.03), leg(-0.02, up=0.012)
        sway = 0.01
    # The weight is over the standing leg: on the left leg (side 1) the hips sway to the picture's right.
    pair = (free, standing) if side > 0 else (standing, free)
    return *pair, drop, side * sway


def as_vector(pose: Pose) -> np.ndarray:
    """All numbers of a pose, float64 [36] (flags left out); poses can be mixed so."""
    numbers = [getattr(pose, name) for name in _NUMBERS]
    for name, kind in _LIMBS:
        limb = getattr(pose, name)
        numbers += [getattr(limb, f.name) for f in fields(kind)]
    return np.array(numbers, dtype=np.float64)


def from_vector(vector: np.ndarray, flags: Pose) -> Pose:
    """The pose whose `as_vector` is `vector`, with the flags of `flags`."""
    values = iter(float(v) for v in vector)
    changed: dict[str, object] = {name: next(values) for name in _NUMBERS}
    for name, kind in _LIMBS:
        changed[name] = kind(*(next(values) for _ in fields(kind)))
    return replace(flags, **changed)  # type: ignore[arg-type]


_LIMBS: tuple[tuple[str, type[Arm] | type[Leg]], ...] = (
    ("right_arm", Arm),
    ("left_arm", Arm),
    ("right_leg", Leg),
    ("left_leg", Leg),
)
_NUMBERS = tuple(f.name for f in fields(Pose) if isinstance(f.default, float))
