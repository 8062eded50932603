"""Following one person from frame to frame, by where each point was."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dynast_deploy.keypoints.people import (
    FRAGMENT,
    UNMATCHED,
    compared,
    distances_to,
    middle_shift,
    middle_step,
    most_present,
    person_size,
)
from dynast_deploy.keypoints.poses import is_seen, no_person

HOLD = 12
"""Frames in which the person may be missing while somebody else is there; after them that one is followed."""

LIVE_HOLD = 5
"""The same where later frames are not known, so that those held are lost: after a cut the pose stands still so long."""

REMEMBERED = 300
"""Frames after which a person who was given up for somebody else is not returned to any more."""

LEAST_POINTS = 4
"""A pose of fewer points is shown where it is all there is, and not followed."""

REACH = 0.2
"""Sizes of a person (diagonals of its box) that the middle one of its points may move in a frame at first."""

FASTER = 4.0
"""Times its usual speed that a person may move in a frame."""

CERTAIN = 0.01
"""By so many sizes of a person somebody must be nearer to another's place than to the person's to be that one."""


def follow_person(frames: Iterable[np.ndarray]) -> np.ndarray:
    """Float32 [T, 18, 3]: one person through `frames`, T canonical arrays [P, 18, 3], P of each its own."""
    follower = PersonFollower()
    poses: list[np.ndarray] = []
    for people in frames:
        pose = follower.follow(people)
        _correct(poses, follower.corrected)
        poses.append(pose)
    follower.finish()
    _correct(poses, follower.corrected)
    return np.stack(poses)


@dataclass
class Other:
    """Somebody else in the last frame: the pose, and how far the middle point goes in a frame, (x, y) in pixels."""

    pose: np.ndarray
    drift: np.ndarray

    def expected(self, frames: int) -> np.ndarray:
        """The pose so many frames on, if this one goes on as before: [18, 3]."""
        expected = self.pose.copy()
        expected[:, :2] += self.drift * frames
        return expected


class PersonFollower:
    """Follows one person from frame to frame.

    A person who is missing is waited for: anybody else who is there, a passer-by or a ghost of a few points, is not
    taken in the next `hold` frames unless the person is back. When the person did not come back, the other one was the
    person (a cut, a jump), and `corrected` says where it was in the frames that were held. Should the first one turn up
    again where it was last seen, it is followed again.

    Attributes:
        corrected: After `follow` and `finish`: poses for the frames just before this one that were given as missing,
            the newest last. Files put them there; a live stream has shown those frames.
    """

    def __init__(self, hold: int = HOLD) -> None:
        """`hold`: frames in which the person is waited for while somebody else is there."""
        self._hold = hold
        self.corrected: list[np.ndarray] = []
        self._known: np.ndarray | None = None  # every point where it was last seen
        self._age = np.zeros(18, int)
        self._size, self._motion, self._gap = 0.0, REACH / FASTER, 0
        self._drift: np.ndarray = np.zeros(2, np.float32)  # pixels a frame in which the middle point goes
        self._most = 0  # points that were ever seen at once
        self._others: list[Other] = []
        self._doubtful: list[np.ndarray] = []
        self._given_up: tuple[np.ndarray, float, int] | None = None  # points, size, frames since

    def follow(self, people: np.ndarray) -> np.ndarray:
        """The person's pose among `people`, float32 [18, 3]; 18 missing keypoints where it is not there.

        `people` is canonical [P, 18, 3], everybody of whom anything is seen.
        """
        self.corrected = []
        present = people
        if not len(present):
            self._gap += 1
            if self._doubtful:
                self._doubtful.append(no_person())
            return no_person()
        if self._known is None or (self._gap >= self._hold and not self._doubtful):
            return self._begin(present)
        if len(present) > 1 and self._most < FRAGMENT * is_seen(present).sum(axis=1).max():
            # A ghost or a stray was all there was so far.
            self._known, self._doubtful = None, []
            return self._begin(present)
        if len(present) == 1 and not (self._doubtful or len(self._others)):
            # One person alone, as in most videos: within reach is all that matters.
            moved = middle_shift(present[0], self._known, self._size)
            if moved is not None and moved <= self._reach():
                return self._accept(present, 0, moved)
        _, shifts = compared(present, self._known, self._size)
        costs, _ = compared(present, self._expected(), self._size)
        if self._given_up is not None:
            back = self._returned(present, costs)
            if back is not None:
                return self._accept(present, back, self._motion)
        home = self._home(present, costs, shifts)
        if self._doubtful:
            return self._decide(present, home, shifts)
        if home is not None:
            return self._accept(present, home, float(shifts[home]))
        self._gap += 1
        self._doubtful = [present[int(np.argmin(costs))]]
        self._follow_others(present)
        return no_person()

    def finish(self) -> None:
        """No frame follows: the pose in doubt was the person's."""
        self.corrected, self._doubtful = self._doubtful, []

    def _begin(self, present: np.ndarray) -> np.ndarray:
        if self._known is not None:
            costs, shifts = compared(present, self._known, self._size)
            home = self._home(present, costs, shifts)
            if home is not None:
                return self._accept(present, home, self._motion)
        chosen = most_present(present)
        pose: np.ndarray = present[chosen]
        if is_seen(pose).sum() < LEAST_POINTS:
            return pose
        self._known = None
        return self._accept(present, chosen, self._motion)

    def _expected(self) -> np.ndarray:
        """Where the person's points are by now if it goes on as before: two who cross are told apart by it."""
        assert self._known is not None
        expected = self._known.copy()
        expected[:, :2] += self._drift * min(self._gap + 1, self._hold)
        return expected

    def _reach(self) -> float:
        return max(REACH, FASTER * self._motion) + self._gap * self._motion

    def _home(self, present: np.ndarray, costs: np.ndarray, shifts: np.ndarray) -> int | None:
        """Who of those present is the person: the most alike within reach who is not one of the others."""
        near = shifts <= self._reach()
        if self._others:
            own = distances_to(present, self._expected(), self._size)
            for other in self._others:
                theirs = distances_to(present, other.expected(1), self._size)
                near &= own < theirs if self._gap else (theirs >= own / 2) | (theirs > own - CERTAIN)
        if not near.any():
            return None
        return int(np.argmin(np.where(near, costs, np.inf)))

    def _returned(self, present: np.ndarray, costs: np.ndarray) -> int | None:
        """Who of those present is the one who was given up; `costs` compare them with the one followed instead."""
        assert self._given_up is not None
        known, size, frames = self._given_up
        self._given_up = (known, size, frames + 1) if frames < REMEMBERED else None
        of_first, shifts = compared(present, known, size)
        same = (shifts <= REACH) & (of_first < UNMATCHED / 2) & (of_first < costs / 2)
        if not same.any():
            return None
        self._given_up, self._doubtful = None, []
        self._known, self._size, self._age = known, size, np.zeros(18, int)
        return int(np.argmin(np.where(same, of_first, np.inf)))

    def _decide(self, present: np.ndarray, home: int | None, shifts: np.ndarray) -> np.ndarray:
        """While somebody is doubted: is the person back, or was it that one?"""
        tail = next(pose for pose in reversed(self._doubtful) if is_seen(pose).any())
        costs, moved = compared(present, tail, max(self._size, person_size(tail)))
        next_one = int(np.argmin(costs))
        goes_on = moved[next_one] <= max(REACH, FASTER * self._motion)
        if home is not None and (home != next_one or not goes_on or shifts[home] <= REACH):
            known = any(np.array_equal(tail, other.pose, equal_nan=True) for other in self._others)
            if home == next_one and goes_on and not known:
                self.corrected = self._doubtful
            self._doubtful = []
            return self._accept(present, home, self._motion)
        self._doubtful.append(present[next_one])
        self._gap += 1
        self._follow_others(present)
        if len(self._doubtful) <= self._hold:
            return no_person()
        self.corrected, self._doubtful = self._doubtful[:-1], []
        if self._known is not None and self._given_up is None:
            self._given_up = self._known, self._size, 0
        self._known = None
        return self._accept(present, next_one, self._motion)

    def _accept(self, present: np.ndarray, index: int, moved: float) -> np.ndarray:
        pose: np.ndarray = present[index]
        seen = is_seen(pose)
        if self._known is None:
            self._known, self._age, self._size = pose.copy(), np.zeros(18, int), 0.0
            self._drift, self._most = np.zeros(2, np.float32), 0
        self._most = max(self._most, int(seen.sum()))
        self._drift = (self._drift + middle_step(pose, self._known) / (self._gap + 1)) / 2
        self._age += 1
        self._age[seen] = 0
        self._known[seen] = pose[seen]
        if self._age.max() > HOLD:
            self._known[self._age > HOLD] = (np.nan, np.nan, 0)
        points = pose[seen, :2]
        low, high = points.min(axis=0), points.max(axis=0)
        self._size = max(math.hypot(*(high - low)), 0.9 * self._size)
        self._motion = max(0.7 * self._motion + 0.3 * moved, REACH / FASTER / 2)
        self._gap = 0
        if len(present) > 1:
            self._follow_others(present, index)
        else:
            self._others = []
        return pose

    def _follow_others(self, present: np.ndarray, person: int | None = None) -> None:
        """Go on with the others who are still there; where the `person` is seen, whoever is elsewhere is one, too."""
        before, self._others = self._others, []
        free = np.arange(len(present)) != person
        for other in before:
            there = distances_to(present, other.expected(1), person_size(other.pose))
            there[~free] = np.inf
            nearest = int(np.argmin(there))
            if there[nearest] <= REACH:
                free[nearest] = False
                drift = (other.drift + middle_step(present[nearest], other.pose)) / 2
                self._others.append(Other(present[nearest], drift))
        if person is not None and free.any():
            # A ghost, which is where the person is, is not somebody else.
            free &= distances_to(present, present[person], self._size) > REACH / 2
            self._others += [Other(pose, np.zeros(2, np.float32)) for pose in present[free]]


def _correct(poses: list[np.ndarray], corrected: list[np.ndarray]) -> None:
    if corrected:
        poses[-len(corrected) :] = corrected
