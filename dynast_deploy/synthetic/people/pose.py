"""Poses: how a marionette stands and where in the picture.

Lengths are in body heights, angles in radians. Arms are posed by angles, legs by where the feet are:
knees follow (see skeleton.py), so that a planted foot stays planted while hips sway.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


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
    """Foot `out` to its own side from the middle of the figure and `up` from the ground; `knee` is the share
    of a knee's bend that shows sideways (the rest comes towards the viewer); `toe` turns the foot out
    (0..1)."""

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
    `swing` is how far hanging hair and skirts lag to the picture's right (-1..1). `right` is the person's
    right.
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
