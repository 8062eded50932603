"""From a pose to joints in the picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dynast_deploy.synthetic.common.traits import Proportions
from dynast_deploy.synthetic.people.pose import Arm, Leg, Pose

Point = np.ndarray  # float64 [2], x to the right, y down


@dataclass(frozen=True)
class Skeleton:
    """Joints as fractions of the picture's side (float64 [2] each), axes as unit vectors, and the scale.

    Pairs are (right, left) of the person. `torso_axis` points from the hips to the neck, `head_axis` from the
    chin to the crown; `across_hips` and `across_shoulders` point to the picture's right.
    """

    scale: float
    pelvis: Point
    neck: Point
    head: Point
    torso_axis: Point
    head_axis: Point
    across_hips: Point
    across_shoulders: Point
    shoulders: tuple[Point, Point]
    elbows: tuple[Point, Point]
    wrists: tuple[Point, Point]
    hand_axes: tuple[Point, Point]
    hips: tuple[Point, Point]
    knees: tuple[Point, Point]
    ankles: tuple[Point, Point]

    def extent(self, hand: float, reach: float) -> tuple[float, float, float]:
        """Left, right and top end of the figure; `hand` and `reach` (above the neck) are in body heights."""
        tips = [w + axis * hand * self.scale for w, axis in zip(self.wrists, self.hand_axes, strict=True)]
        points = np.array([*tips, *self.elbows, *self.ankles, *self.knees, self.head])
        margin = 0.035 * self.scale
        top = min(points[:, 1].min() - margin * 0.3, self.neck[1] - reach * self.scale)
        return points[:, 0].min() - margin, points[:, 0].max() + margin, top


# The largest build that identities have: what fits with it fits with all.
_LARGEST = Proportions(
    head=0.17,
    head_width=0.85,
    jaw=0.5,
    neck=0.032,
    torso=1 - 0.17 - 0.032 - 0.45 - 0.04,
    leg=0.45,
    foot=0.04,
    upper_arm=0.163,
    forearm=0.145,
    hand=0.078,
    shoulder=0.118,
    waist=0.09,
    hip=0.1,
    build=1.2,
)
_TOP, _SIDE = 0.03, 0.03


def framed(poses: list[Pose], place: float = 0.5) -> list[Pose]:
    """The poses, all scaled down alike if they need it, and moved sideways alike so that they lie within the
    picture: at its left end for `place` 0, its right end for 1."""
    scale = 1.0
    for _ in range(3):
        extents = np.array([_extent(p) for p in poses])
        width, top = extents[:, 1].max() - extents[:, 0].min(), extents[:, 2].min()
        ground = max(p.ground for p in poses)
        scale = min(1.0, (1 - 2 * _SIDE) / width, (ground - _TOP) / (ground - top))
        if scale >= 1.0:
            break
        poses = [replace(p, scale=p.scale * scale * 0.999, x=0.5 + (p.x - 0.5) * scale) for p in poses]
    extents = np.array([_extent(p) for p in poses])
    lowest, highest = _SIDE - extents[:, 0].min(), 1 - _SIDE - extents[:, 1].max()
    # Not further from the middle than a person who was asked to stand before a camera would be.
    lowest, highest = max(lowest, -0.09), min(highest, 0.09)
    shift = lowest + (highest - lowest) * place if highest > lowest else 0.5 * (lowest + highest)
    return [replace(p, x=p.x + shift) for p in poses]


def _extent(pose: Pose) -> tuple[float, float, float]:
    return skeleton(_LARGEST, pose).extent(_LARGEST.hand, 0.032 + 0.17 + 0.025)


def skeleton(body: Proportions, pose: Pose) -> Skeleton:
    """Joints of a body in a pose."""
    s = pose.scale
    ground = np.array([pose.x, pose.ground - pose.jump * s])
    feet = [_foot(ground, leg, side, body, s) for leg, side in ((pose.right_leg, -1), (pose.left_leg, 1))]
    hip_half = 0.56 * body.hip * s
    across_hips = np.array([np.cos(pose.hip_tilt), np.sin(pose.hip_tilt)])
    pelvis = np.array([pose.x + pose.sway * s, ground[1] - (body.leg + body.foot - pose.drop) * s])
    # Hips come down as far as the feet pull them.
    for foot, side in zip(feet, (-1, 1), strict=True):
        hip = pelvis + side * hip_half * across_hips
        dx = min(abs(hip[0] - foot[0]), 0.95 * body.leg * s)
        highest = foot[1] - np.sqrt((body.leg * s) ** 2 - dx**2)
        pelvis[1] += max(0.0, highest - hip[1])
    hips = tuple(pelvis + side * hip_half * across_hips for side in (-1, 1))
    knees = tuple(
        _knee(hip, foot, leg, side, body.thigh * s)
        for hip, foot, leg, side in zip(hips, feet, (pose.right_leg, pose.left_leg), (-1, 1), strict=True)
    )
    lean = pose.lean
    axis = np.array([np.sin(lean), -np.cos(lean)])
    neck = pelvis + axis * body.torso * s
    tilt = lean + pose.shoulder_tilt
    across = np.array([np.cos(tilt), np.sin(tilt)])
    head_angle = lean * 0.6 + pose.head_tilt
    head_axis = np.array([np.sin(head_angle), -np.cos(head_angle)])
    arms = [
        _arm(neck, across, arm, side, body, pose.turn, s)
        for arm, side in ((pose.right_arm, -1), (pose.left_arm, 1))
    ]
    return Skeleton(
        scale=s,
        pelvis=pelvis,
        neck=neck,
        head=neck + head_axis * (body.neck + body.head * 0.5) * s,
        torso_axis=axis,
        head_axis=head_axis,
        across_hips=across_hips,
        across_shoulders=across,
        shoulders=(arms[0][0], arms[1][0]),
        elbows=(arms[0][1], arms[1][1]),
        wrists=(arms[0][2], arms[1][2]),
        hand_axes=(arms[0][3], arms[1][3]),
        hips=(hips[0], hips[1]),
        knees=(knees[0], knees[1]),
        ankles=(feet[0], feet[1]),
    )


def _foot(ground: Point, leg: Leg, side: int, body: Proportions, s: float) -> Point:
    result: Point = ground + np.array([side * leg.out * s, -(body.foot + leg.up) * s])
    return result


def _knee(hip: Point, ankle: Point, leg: Leg, side: int, bone: float) -> Point:
    """The knee of two bones of equal length; what of the bend does not show sideways foreshortens them."""
    between = ankle - hip
    distance = float(np.hypot(*between))
    straight = min(1.0, distance / (2 * bone))
    shown = bone * (straight + (1 - straight) * leg.knee)
    out = np.sqrt(max(shown**2 - (distance / 2) ** 2, 0.0))
    normal = np.array([between[1], -between[0]]) / max(distance, 1e-6)
    result: Point = hip + between / 2 + side * out * normal
    return result


def _arm(
    neck: Point, across: Point, arm: Arm, side: int, body: Proportions, turn: float, s: float
) -> tuple[Point, Point, Point, Point]:
    """Shoulder, elbow, wrist and the hand's axis."""
    down = np.array([-across[1], across[0]])
    raised = max(0.0, min(arm.lift, np.pi) - 1.0) / 2.0
    shoulder = (
        neck
        + across * side * (body.shoulder - 0.022 * raised) * s * np.cos(turn)
        + down * (0.034 - 0.036 * raised + 0.012 * side * np.sin(turn)) * s
    )

    def direction(angle: float) -> Point:
        result: Point = across * side * np.sin(angle) + down * np.cos(angle)
        return result

    elbow = shoulder + direction(arm.lift) * body.upper_arm * arm.upper_reach * s
    wrist = elbow + direction(arm.lift + arm.bend) * body.forearm * arm.fore_reach * s
    return shoulder, elbow, wrist, direction(arm.lift + arm.bend + arm.wrist)
