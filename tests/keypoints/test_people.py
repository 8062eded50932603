"""Which person is meant, where several are seen: poses of files, through `follow_person`, and one frame alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkout import EXAMPLES

from dynast_deploy.keypoints import read_poses
from dynast_deploy.keypoints.people import choose_person
from dynast_deploy.keypoints.person_follower import HOLD, PersonFollower, follow_person
from dynast_deploy.keypoints.poses import canonical, is_seen

NO_PEOPLE = np.empty((0, 18, 3), np.float32)


@pytest.fixture(scope="module")
def dance() -> np.ndarray:
    """Float32 [120, 18, 3]: somebody who dances, 256 pixels high."""
    return read_poses(EXAMPLES / "dance.poses.npz").keypoints


def moved(pose: np.ndarray, right: float, down: float = 0, scale: float = 1, score: float = 1) -> np.ndarray:
    """The same person elsewhere, of another size about the middle, or less sure."""
    centre = np.nanmean(pose[:, :2], axis=0)
    other = pose.copy()
    other[:, :2] = (pose[:, :2] - centre) * scale + centre + (right, down)
    other[:, 2] *= score
    return canonical(other)


def only(pose: np.ndarray, *points: int, score: float = 1) -> np.ndarray:
    """A few points of a person."""
    ghost = np.zeros_like(pose)
    ghost[list(points)] = pose[list(points)]
    ghost[:, 2] *= score
    return canonical(ghost)


def stray(score: float, *places: tuple[float, float]) -> np.ndarray:
    """Points at places, nose and left ankle first."""
    person = np.zeros((18, 3))
    for index, place in zip((0, 13, 4, 9), places, strict=False):
        person[index] = (*place, score)
    return canonical(person)


def frame(*people: np.ndarray) -> np.ndarray:
    return np.stack(people).astype(np.float32)


def followed(frames: list[np.ndarray], person: np.ndarray) -> list[bool]:
    """In which frames the person, [T, 18, 3], was taken."""
    poses = follow_person(frames)
    return [
        bool(np.array_equal(pose, each, equal_nan=True)) for pose, each in zip(poses, person, strict=True)
    ]


class TestFirst:
    @pytest.mark.parametrize("score", [0.06, 1.0])
    @pytest.mark.parametrize("scale", [1, 0.2])
    def test_stray_points_in_opposite_corners_are_no_person(
        self, dance: np.ndarray, score: float, scale: float
    ) -> None:
        dancer = moved(dance[0], 0, 0, scale)
        corners = stray(score, (3, 3), (1900, 1000), (3, 1000), (1900, 3))
        chosen = choose_person(frame(corners, dancer), None)
        np.testing.assert_array_equal(chosen, dancer)

    def test_of_two_whole_people_the_larger_and_of_equal_ones_the_surer_is_taken(
        self, dance: np.ndarray
    ) -> None:
        near, far = moved(dance[0], 0, 0, 0.8), moved(dance[0], 90, 0, 0.6)
        assert choose_person(frame(far, near), None)[0, 0] == near[0, 0]
        doubtful = moved(dance[0], 90, 0, 0.85, score=0.5)
        assert choose_person(frame(doubtful, near), None)[0, 0] == near[0, 0]

    def test_a_close_upper_body_comes_before_somebody_far_behind(self, dance: np.ndarray) -> None:
        close, far = (
            moved(only(dance[0], 0, 1, 2, 3, 5, 6, 14, 15, 16, 17), 0, 0, 3),
            moved(dance[0], 100, 0, 0.3),
        )
        assert choose_person(frame(far, close), None)[0, 0] == close[0, 0]

    def test_a_ghost_alone_is_shown_and_not_followed(self, dance: np.ndarray) -> None:
        ghost = stray(0.3, (5, 5), (20, 5))
        frames = [frame(ghost), *(frame(ghost, pose) for pose in dance[:5])]
        poses = follow_person(frames)
        np.testing.assert_array_equal(poses[0], ghost)
        np.testing.assert_array_equal(poses[1:], dance[:5])


class TestFollowing:
    @pytest.mark.parametrize("step", [1, 3, 5, 10])
    @pytest.mark.parametrize("points", [(12, 13), (2, 3, 4), (8, 9, 10, 11, 12, 13)])
    def test_a_ghost_of_some_of_the_points_is_never_taken(
        self, dance: np.ndarray, step: int, points: tuple[int, ...]
    ) -> None:
        person = dance[::step]
        frames = [frame(person[0]), *(frame(only(pose, *points, score=0.1), pose) for pose in person[1:])]
        assert all(followed(frames, person))

    def test_a_less_sure_copy_of_the_whole_person_is_not_taken(self, dance: np.ndarray) -> None:
        frames = [frame(moved(pose, 1, 1, score=0.2), pose) for pose in dance[::3]]
        assert all(followed(frames, dance[::3]))

    def test_the_person_stays_the_person_after_frames_with_few_points(self, dance: np.ndarray) -> None:
        person = dance[:20].copy()
        person[8:11] = [only(pose, 12, 13) for pose in person[8:11]]
        frames = [frame(only(pose, 12, 13, score=0.5), pose) for pose in dance[:20]]
        for index in (8, 9, 10):
            frames[index] = frame(person[index])
        assert all(followed(frames, person))

    @pytest.mark.parametrize("missed", [1, 3, HOLD - 1])
    @pytest.mark.parametrize("always", [True, False], ids=["who was there before", "who comes by"])
    @pytest.mark.parametrize(("right", "scale"), [(80, 1), (-90, 0.7), (55, 0.95)])
    def test_a_passer_by_is_not_taken_where_the_person_is_missed(
        self, dance: np.ndarray, missed: int, always: bool, right: float, scale: float
    ) -> None:
        person = dance[:40].copy()
        other = np.stack([moved(pose, right + index, 0, scale) for index, pose in enumerate(dance[60:100])])
        other[:, :, :2] += 0.01  # told apart
        gone = range(10, 10 + missed)
        frames = [
            frame(other[index]) if index in gone else frame(person[index], other[index])
            for index in range(40)
        ]
        if not always:
            frames[:10] = [frame(pose) for pose in person[:10]]
        taken = followed(frames, person)
        assert [index for index in range(40) if not taken[index]] == list(gone)
        assert not is_seen(follow_person(frames)[list(gone)]).any()

    @pytest.mark.parametrize("missed", [HOLD + 8, 100])
    def test_a_person_who_was_given_up_is_returned_to(self, dance: np.ndarray, missed: int) -> None:
        # The person comes back as it left, and dances on.
        person = np.concatenate([dance[: 10 + missed], dance[10:40]])
        other = np.stack([moved(pose, 95, 3, 0.8) for pose in np.roll(person, 40, axis=0)])
        frames = [frame(*pair) for pair in zip(other, person, strict=True)]
        for index in range(10, 10 + missed):
            frames[index] = frame(other[index])
        taken = followed(frames, person)
        assert [index for index in range(len(person)) if not taken[index]] == list(range(10, 10 + missed))

    def test_the_person_is_found_again_after_being_alone_out_of_sight(self, dance: np.ndarray) -> None:
        frames = [frame(pose) for pose in dance[:30]]
        for index in range(8, 8 + HOLD // 2):
            frames[index] = NO_PEOPLE
        frames[8 + HOLD // 2] = frame(moved(dance[8], 100, 0, 1.5), dance[8 + HOLD // 2])
        taken = followed(frames, dance[:30])
        assert [index for index in range(30) if not taken[index]] == list(range(8, 8 + HOLD // 2))

    @pytest.mark.parametrize("end", [8 + HOLD // 2, 60])
    def test_after_a_cut_nothing_is_held(self, dance: np.ndarray, end: int) -> None:
        person = dance[:end].copy()
        person[8:] = [moved(pose, 110, 0, 0.6) for pose in dance[50 : 50 + end - 8]]
        assert all(followed([frame(pose) for pose in person], person))

    @pytest.mark.parametrize("step", [1, 5, 10, 15])
    def test_one_person_alone_is_followed_at_any_rate(self, dance: np.ndarray, step: int) -> None:
        walk = np.stack([moved(pose, 6 * index) for index, pose in enumerate(dance)])
        for person in (dance[::step], walk[::step]):
            assert all(followed([frame(pose) for pose in person], person))

    def test_people_who_cross_keep_apart(self, dance: np.ndarray) -> None:
        right = np.stack([moved(pose, 4 * index - 120) for index, pose in enumerate(dance[:60])])
        left = np.stack([moved(pose, 120 - 4 * index, 12, 0.9) for index, pose in enumerate(dance[60:])])
        pairs = [frame(*pair) for pair in zip(right, left, strict=True)]
        frames = [pair[::-1] if index % 2 else pair for index, pair in enumerate(pairs)]
        assert all(followed(frames, right))

    @pytest.mark.parametrize("speed", [3, 5, 8])
    @pytest.mark.parametrize("hidden", [0, 3, 7])
    def test_people_who_cross_in_step_are_told_apart_by_where_they_go(
        self, dance: np.ndarray, speed: int, hidden: int
    ) -> None:
        generator = np.random.default_rng(speed)
        right = np.stack([moved(pose, speed * (index - 30.5)) for index, pose in enumerate(dance[:60])])
        left = np.stack([moved(pose, speed * (30.5 - index)) for index, pose in enumerate(dance[:60])])
        for people in (right, left):
            people[..., :2] += generator.normal(0, 0.8, people[..., :2].shape)
        # While one is behind the other, only the other is found.
        gone = range(30 - hidden // 2, 30 + (hidden + 1) // 2)
        frames = [
            frame(other) if index in gone else frame(other, person)
            for index, (other, person) in enumerate(zip(left, right, strict=True))
        ]
        frames[0] = frame(right[0])
        taken = followed(frames, right)
        assert [index for index in range(60) if not taken[index]] == list(gone)
        assert not is_seen(follow_person(frames)[list(gone)]).any()

    def test_a_ghost_that_was_there_first_is_left_for_a_whole_person(self, dance: np.ndarray) -> None:
        ghost = only(moved(dance[0], 90), 0, 1, 2, 5, 14, score=0.1)
        frames = [frame(ghost)] * 4 + [frame(ghost, pose) for pose in dance[:20]]
        assert all(followed(frames[4:], dance[:20]))
        assert followed(frames, np.concatenate([dance[:4], dance[:20]])) == [False] * 4 + [True] * 20

    def test_a_live_follower_says_missing_and_then_takes_who_stays(self, dance: np.ndarray) -> None:
        follower = PersonFollower()
        for pose in dance[:5]:
            follower.follow(frame(pose))
        others = [moved(pose, 150) for pose in dance[5:40]]
        seen = [bool(is_seen(follower.follow(frame(pose))).any()) for pose in others]
        assert seen == [False] * HOLD + [True] * (35 - HOLD)
        assert len(follower.corrected) == 0


def test_scores_decide_what_is_seen_where_they_are_asked_for(tmp_path: Path, dance: np.ndarray) -> None:
    pose = dance[0].copy()
    pose[:, 2] = np.linspace(0.05, 0.95, 18)
    for unit in (1, 100):
        np.savez(tmp_path / "scored.npz", keypoints=(pose * [1, 1, unit])[None])
        assert is_seen(read_poses(tmp_path / "scored.npz").keypoints).sum() == 18
        assert is_seen(read_poses(tmp_path / "scored.npz", 0.3).keypoints).sum() == 13
