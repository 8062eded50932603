"""A whole body: all sheets of an identity, and where they lie in a pose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dynast_deploy.synthetic.people.head import EYE_ANGLE, EYE_Y, NOSE_Y, Head
from dynast_deploy.synthetic.people.identity import Identity
from dynast_deploy.synthetic.people.limbs import Shoe, arm_tubes, leg_tubes
from dynast_deploy.synthetic.people.parts import Part
from dynast_deploy.synthetic.people.pose import Pose
from dynast_deploy.synthetic.people.sheet import Sheet
from dynast_deploy.synthetic.people.skeleton import Skeleton, skeleton
from dynast_deploy.synthetic.people.trunk import Trunk

# Beyond this turn of the head the far ear is out of sight.
_EAR_HIDDEN = 0.42


class Body:
    """The sheets of one identity."""

    def __init__(self, who: Identity) -> None:
        self.who = who
        self.trunk = Trunk(who)
        self.head = Head(who)
        self.arms = (arm_tubes(who, -1), arm_tubes(who, 1))
        self.legs = (leg_tubes(who, -1), leg_tubes(who, 1))
        self.shoes = (Shoe(who, -1), Shoe(who, 1))
        sheets: list[Sheet | None] = [
            self.trunk.neck,
            self.trunk.torso,
            self.trunk.pelvis,
            self.trunk.skirt,
            self.head.face,
            *self.head.ears,
            self.head.front,
            self.head.back,
            self.head.tail,
            self.head.hat,
            *(shoe.sheet for shoe in self.shoes),
        ]
        sheets += [tube.sheet for limb in (*self.arms, *self.legs) for tube in limb.values()]
        self.sheets: dict[Part, Sheet] = {sheet.part: sheet for sheet in sheets if sheet is not None}

    def place(self, pose: Pose) -> tuple[dict[Part, np.ndarray], np.ndarray]:
        """The sheets' points in a pose, from the farthest sheet to the nearest: float64 [R, C, 2] each, as
        fractions of the picture's side; and the keypoints: float64 [18, 3] (x, y, score)."""
        k = skeleton(self.who.proportions, pose)
        down = replace(
            pose, right_arm=replace(pose.right_arm, lift=0.2), left_arm=replace(pose.left_arm, lift=0.2)
        )
        rest = skeleton(self.who.proportions, down).shoulders
        placed: dict[Part, np.ndarray] = {}
        head, trunk = self.head, self.trunk
        turn, nod, swing = pose.head_turn, pose.nod, pose.swing
        if head.back is not None:
            placed[Part.HAIR_BACK] = head.place_back(k, turn, swing)
        if head.tail is not None:
            placed[Part.HAIR_TAIL] = head.place_tail(k, turn, swing)
        for side, behind in ((0, pose.right_arm_behind), (1, pose.left_arm_behind)):
            if behind:
                self._place_arm(placed, k, side)
        for side in (0, 1) if pose.left_leg_in_front else (1, 0):
            self._place_leg(placed, k, pose, side)
        placed[Part.NECK] = trunk.place_neck(k)
        torso_first = self.who.top.tucked
        if torso_first:
            placed[Part.TORSO] = trunk.place_torso(k, pose.turn, rest)
        if trunk.skirt is not None:
            placed[Part.SKIRT] = trunk.place_skirt(k, pose.turn, swing)
        else:
            placed[Part.PELVIS] = trunk.place_pelvis(k, pose.turn)
        if not torso_first:
            placed[Part.TORSO] = trunk.place_torso(k, pose.turn, rest)
        far = -1 if turn < 0 else 1
        placed[_EARS[far]] = head.place_ear(k, far, turn)
        placed[Part.HEAD] = head.place_face(k, turn, nod)
        placed[_EARS[-far]] = head.place_ear(k, -far, turn)
        placed[Part.HAIR] = head.place_front(k, turn, nod, swing)
        if head.hat is not None:
            placed[Part.HAT] = head.place_hat(k, turn, nod)
        for side, behind in ((0, pose.right_arm_behind), (1, pose.left_arm_behind)):
            if not behind:
                self._place_arm(placed, k, side)
        return placed, self._keypoints(k, pose)

    def _place_arm(self, placed: dict[Part, np.ndarray], k: Skeleton, side: int) -> None:
        tubes = self.arms[side]
        shoulder, elbow, wrist = k.shoulders[side], k.elbows[side], k.wrists[side]
        axis, hand = k.hand_axes[side], self.who.proportions.hand * k.scale
        sign = -1 if side == 0 else 1
        placed[tubes["arm"].sheet.part] = tubes["arm"].place(shoulder, elbow, wrist, k.scale)
        inwards = -sign * np.array([axis[1], -axis[0]])
        out = axis * 0.9 + inwards * 0.43
        bent = axis * 0.99 + inwards * 0.1
        root = wrist + 0.10 * hand * axis + 0.16 * hand * inwards
        knuckle = root + 0.3 * hand * out
        thumb = tubes["thumb"].place(root, knuckle, knuckle + 0.34 * hand * bent, k.scale)
        placed[tubes["thumb"].sheet.part] = thumb
        curl = axis * 0.985 + inwards * 0.17
        palm = wrist + 0.3 * hand * axis
        placed[tubes["hand"].sheet.part] = tubes["hand"].place(wrist, palm, palm + 0.7 * hand * curl, k.scale)
        if "sleeve" in tubes:
            placed[tubes["sleeve"].sheet.part] = tubes["sleeve"].place(shoulder, elbow, wrist, k.scale)

    def _place_leg(self, placed: dict[Part, np.ndarray], k: Skeleton, pose: Pose, side: int) -> None:
        tubes = self.legs[side]
        joints = k.hips[side], k.knees[side], k.ankles[side]
        leg = (pose.right_leg, pose.left_leg)[side]
        placed[tubes["leg"].sheet.part] = tubes["leg"].place(*joints, k.scale)
        shoe = self.shoes[side]
        placed[shoe.sheet.part] = shoe.place(k.ankles[side], k.knees[side], leg, k.scale)
        if "trouser" in tubes:
            placed[tubes["trouser"].sheet.part] = tubes["trouser"].place(*joints, k.scale)

    def _keypoints(self, k: Skeleton, pose: Pose) -> np.ndarray:
        head, turn = self.head, pose.head_turn

        def face(angle: float, y: float) -> np.ndarray:
            return head.place_points(k, head.on_face(np.array(angle), np.array(y), turn, pose.nod))

        gap = EYE_ANGLE * self.who.face.eye_gap
        ears = [head.place_points(k, head.ear_centre(side, turn)) for side in (-1, 1)]
        points = np.array(
            [
                face(0.0, NOSE_Y),
                (k.shoulders[0] + k.shoulders[1]) / 2,  # where pose estimators put the neck
                *(joint for side in (0, 1) for joint in (k.shoulders[side], k.elbows[side], k.wrists[side])),
                *(joint for side in (0, 1) for joint in (k.hips[side], k.knees[side], k.ankles[side])),
                face(-gap, EYE_Y),
                face(gap, EYE_Y),
                *ears,
            ]
        )
        seen = np.ones(18)
        seen[16] = turn > -_EAR_HIDDEN
        seen[17] = turn < _EAR_HIDDEN
        seen[((points < 0) | (points > 1)).any(axis=1)] = 0.0
        return np.concatenate([points, seen[:, None]], axis=1)


_EARS = {-1: Part.RIGHT_EAR, 1: Part.LEFT_EAR}
