"""Which of several people is meant, by points, scores and size, and how alike poses are."""

from __future__ import annotations

import numpy as np

from dynast_deploy.keypoints.poses import is_seen, no_person

FRAGMENT = 1 / 3
"""People with a smaller share of the points that the most complete one has are ghosts or strays, never chosen first."""

UNMATCHED = 0.5
"""Cost of a point that one pose has and the other lacks, in sizes of the person."""

DOUBT = 0.1
"""Cost of a person whose points all score 0; it decides between two that lie alike."""


def choose_person(people: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
    """One of `people`, canonical float32 [P, 18, 3], or 18 missing keypoints where none of them was seen.

    Args:
        people: Everybody in this frame.
        previous: The chosen person's pose where it was last seen, or None: the most present person is taken then.
    """
    present = people[is_seen(people).any(axis=1)]
    if not len(present):
        return no_person()
    if previous is None or not is_seen(previous).any():
        chosen = most_present(present)
    else:
        costs, _ = compared(present, previous, person_size(previous))
        chosen = int(np.argmin(costs))
    person: np.ndarray = present[chosen]
    return person


def most_present(people: np.ndarray) -> int:
    """Which of canonical [P, 18, 3] somebody would look at first: by points seen and their scores, times size.

    Returns its number.
    """
    scores = _clipped_scores(people)
    points = is_seen(people).sum(axis=1)
    value = scores.sum(axis=1) * np.array([person_size(person) for person in people])
    value[points < FRAGMENT * points.max()] = -1
    return int(np.argmax(value))


def person_size(person: np.ndarray) -> float:
    """Diagonal of the box around the keypoints that were seen, in pixels. `person` is canonical [18, 3]."""
    low, high = person_box(person)
    return float(np.hypot(*(high - low)))


def person_box(person: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Top left and bottom right corner, (x, y) each, of the keypoints that were seen; there must be one.

    `person` is canonical [18, 3].
    """
    points = person[is_seen(person), :2]
    return points.min(axis=0), points.max(axis=0)


def compared(people: np.ndarray, reference: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """How unlike `reference`, [18, 3], each of `people`, [P, 18, 3], is; and how far its middle point moved. Float [P].

    Both in sizes of the person. Points that both have cost their distance, others `UNMATCHED`, and low scores `DOUBT`;
    people who share no point with the reference are compared by their centres.
    """
    size = max(size, 1e-6)
    seen, there = is_seen(people), is_seen(reference)
    distances = np.hypot(people[..., 0] - reference[:, 0], people[..., 1] - reference[:, 1]) / size
    shared = seen & there
    counts = shared.sum(axis=1)
    either = (seen | there).sum(axis=1)
    matched = np.where(shared, np.minimum(distances, 1), 0).sum(axis=1)
    costs = (matched + UNMATCHED * (either - counts)) / either
    costs += DOUBT * (1 - _clipped_scores(people).sum(axis=1) / seen.sum(axis=1))
    ordered = np.sort(np.where(shared, distances, np.inf), axis=1)
    shifts = ordered[np.arange(len(people)), np.maximum(counts - 1, 0) // 2]
    for index in np.flatnonzero(counts == 0):
        centres = [np.nanmean(each[:, :2], axis=0) for each in (people[index], reference)]
        shifts[index] = np.linalg.norm(centres[0] - centres[1]) / size
        costs[index] += UNMATCHED * min(float(shifts[index]), 1)
    return costs, shifts


def middle_shift(person: np.ndarray, reference: np.ndarray, size: float) -> float | None:
    """The second of what `compared` gives for one person [18, 3]; None where it shares no point with the reference."""
    moved = (person - reference)[:, :2]
    distances = np.hypot(moved[:, 0], moved[:, 1])
    distances = np.sort(distances[~np.isnan(distances)])
    return float(distances[(len(distances) - 1) // 2]) / max(size, 1e-6) if len(distances) else None


def distances_to(people: np.ndarray, reference: np.ndarray, size: float) -> np.ndarray:
    """How far the middle point of each of `people`, [P, 18, 3], is from its place in `reference`, in sizes: float [P].

    Infinite where they share less than half of what is seen of somebody.
    """
    distances = np.hypot(people[..., 0] - reference[:, 0], people[..., 1] - reference[:, 1]) / max(size, 1e-6)
    shared = is_seen(people) & is_seen(reference)
    counts = shared.sum(axis=1)
    ordered = np.sort(np.where(shared, distances, np.inf), axis=1)
    middle = ordered[np.arange(len(people)), np.maximum(counts - 1, 0) // 2]
    return np.where(2 * counts < is_seen(people).sum(axis=1), np.inf, middle)


def middle_step(pose: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Pixels, (x, y), that the points went that both poses [18, 3] have: their median; (0, 0) where there are none."""
    steps = (pose - before)[:, :2]
    steps = steps[~np.isnan(steps[:, 0])]
    if not len(steps):
        return np.zeros(2, np.float32)
    steps.sort(axis=0)
    middle: np.ndarray = steps[(len(steps) - 1) // 2]
    return middle


def _clipped_scores(people: np.ndarray) -> np.ndarray:
    """Scores in 0..1; those of SimCC models and of tools that count in percent go beyond."""
    scores: np.ndarray = np.minimum(people[..., 2], 1)
    return scores
