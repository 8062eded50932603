"""Which of several people is meant: the largest at first, then whoever is nearest to where that one was."""

from __future__ import annotations

import numpy as np

from dynast_deploy.keypoints.poses import is_seen, no_person


def choose_person(people: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
    """One of `people`, canonical float32 [P, 18, 3], or 18 missing keypoints where none of them was seen.

    Args:
        people: Everybody in this frame.
        previous: The chosen person's pose where it was last seen, or None: the largest person is taken then.
    """
    present = people[is_seen(people).any(axis=1)]
    if not len(present):
        return no_person()
    if previous is None or not is_seen(previous).any():
        return present[int(np.argmax([person_size(person) for person in present]))]
    return present[int(np.argmin([_distance(person, previous) for person in present]))]


def person_size(person: np.ndarray) -> float:
    """Diagonal of the box around the keypoints that were seen, in pixels."""
    low, high = person_box(person)
    return float(np.hypot(*(high - low)))


def person_box(person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top left and bottom right corner, (x, y) each, of the keypoints that were seen; there must be one."""
    points = person[is_seen(person), :2]
    return points.min(axis=0), points.max(axis=0)


def _distance(person: np.ndarray, previous: np.ndarray) -> float:
    """Mean distance of the keypoints that both have; of their centres where they share none. In pixels."""
    both = is_seen(person) & is_seen(previous)
    if both.any():
        return float(np.linalg.norm(person[both, :2] - previous[both, :2], axis=1).mean())
    centres = [np.nanmean(each[:, :2], axis=0) for each in (person, previous)]
    return float(np.linalg.norm(centres[0] - centres[1]))


def follow_person(frames: list[np.ndarray]) -> np.ndarray:
    """Float32 [T, 18, 3]: one person through `frames`, T canonical arrays [P, 18, 3], P of each its own."""
    poses: list[np.ndarray] = []
    last_seen: np.ndarray | None = None
    for people in frames:
        pose = choose_person(people, last_seen)
        if is_seen(pose).any():
            last_seen = pose
        poses.append(pose)
    return np.stack(poses)
