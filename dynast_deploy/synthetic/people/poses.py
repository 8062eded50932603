"""Random plausible poses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dynast_deploy.synthetic.people.pose import Arm, Leg, Pose
from dynast_deploy.synthetic.people.skeleton import framed

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
        # Keypoints do not tell how cloth and hair move, so they hang nearly still.
        swing=float(np.clip(rng.normal(0, 0.05), -0.8, 0.8)),
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

    stance = rng.choice(
        ("stand", "wide", "weight", "lunge", "raise", "cross"), p=(0.34, 0.2, 0.16, 0.1, 0.13, 0.07)
    )
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
