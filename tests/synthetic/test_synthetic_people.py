from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from dynast_deploy.errors import DynastError
from dynast_deploy.synthetic.common.example_media import FRAMES_A_SECOND
from dynast_deploy.synthetic.people import (
    FIRST_EVALUATION_SEED,
    Arm,
    Figure,
    Identity,
    Leg,
    Part,
    Pose,
    animate,
    correspondence,
    render,
    sample_pose,
)
from dynast_deploy.synthetic.people.examples import FRAMES, exemplars, write_examples

SEEDS = range(6)


def _pose(seed: int) -> Pose:
    return sample_pose(np.random.default_rng(seed))


@pytest.fixture(scope="module")
def pairs() -> list[tuple[Figure, Figure]]:
    return [
        (render(Identity.of_seed(seed), _pose(2 * seed)), render(Identity.of_seed(seed), _pose(2 * seed + 1)))
        for seed in SEEDS
    ]


def _inner(figure: Figure, margin: int = 2) -> np.ndarray:
    """Pixels whose whole neighbourhood shows one part, where outlines and blended edges do not reach."""
    part = figure.surface[..., 0]
    kernel = np.ones((2 * margin + 1, 2 * margin + 1))
    return (cv2.dilate(part, kernel) == cv2.erode(part, kernel)) & (part > 0)


def test_a_figure_has_the_stated_shapes_types_and_ranges() -> None:
    figure = render(Identity.of_seed(3), _pose(3), size=128)
    assert figure.picture.shape == (128, 128, 3)
    assert figure.picture.dtype == np.uint8
    assert figure.keypoints.shape == (18, 3)
    assert figure.keypoints.dtype == np.float32
    assert figure.surface.shape == (128, 128, 3)
    assert figure.surface.dtype == np.float32
    part, u, v = np.moveaxis(figure.surface, 2, 0)
    assert set(np.unique(part)) <= {float(p) for p in Part}
    assert (part > 0).sum() > 0.08 * part.size
    assert u.min() >= -1.001
    assert u.max() <= 1.001
    assert v.min() >= -0.001
    assert v.max() <= 1.001
    assert not figure.surface[part == 0].any()


def test_equal_seeds_give_equal_pictures_and_unequal_seeds_do_not() -> None:
    assert Identity.of_seed(11) == Identity.of_seed(11)
    assert _pose(11) == _pose(11)
    pose = _pose(0)
    pictures = [
        render(Identity.of_seed(seed), pose, 64).picture for seed in (*range(8), FIRST_EVALUATION_SEED)
    ]
    again = render(Identity.of_seed(0), pose, 64).picture
    np.testing.assert_array_equal(pictures[0], again)
    for i, a in enumerate(pictures):
        for b in pictures[:i]:
            assert np.abs(a.astype(int) - b.astype(int)).mean() > 2


def test_a_small_picture_is_the_large_one_made_smaller() -> None:
    who, pose = Identity.of_seed(5), _pose(5)
    small, large = render(who, pose, 128), render(who, pose, 256)
    shrunk = cv2.resize(large.picture, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.picture).mean() < 2.5
    np.testing.assert_allclose(small.keypoints[:, :2] + 0.5, (large.keypoints[:, :2] + 0.5) / 2, atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_sampled_poses_keep_every_keypoint_in_the_picture(seed: int) -> None:
    who = Identity.of_seed(seed)
    for i in range(12):
        figure = render(who, _pose(100 * seed + i), 64)
        assert (figure.keypoints[:, :2] >= 0).all()
        assert (figure.keypoints[:, :2] <= 63).all()
        assert (figure.keypoints[:16, 2] == 1).all()  # a far ear may be out of sight
        rows = np.flatnonzero((figure.surface[..., 0] > 0).any(axis=1))
        assert 0.6 < (rows[-1] - rows[0]) / 64 < 0.97


def test_a_keypoint_outside_the_picture_scores_zero() -> None:
    figure = render(Identity.of_seed(0), Pose(x=0.98, left_arm=Arm(lift=np.pi / 2, bend=0.0)), 64)
    left_wrist = figure.keypoints[7]
    assert left_wrist[0] > 63
    assert left_wrist[2] == 0


_NEAR_RIGHT_WRIST = {Part.RIGHT_ARM, Part.RIGHT_HAND, Part.RIGHT_THUMB, Part.RIGHT_SLEEVE}
_NEAR_LEFT_WRIST = {Part.LEFT_ARM, Part.LEFT_HAND, Part.LEFT_THUMB, Part.LEFT_SLEEVE}
_RIGHT_LEG = {Part.RIGHT_LEG, Part.RIGHT_TROUSER, Part.RIGHT_SHOE}
_LEFT_LEG = {Part.LEFT_LEG, Part.LEFT_TROUSER, Part.LEFT_SHOE}
_FACE = {Part.HEAD, Part.HAIR, Part.HAT}


@pytest.mark.parametrize("seed", SEEDS)
def test_keypoints_lie_on_their_parts(seed: int) -> None:
    pose = Pose(
        right_arm=Arm(1.3, 0.4), left_arm=Arm(1.5, -0.9), right_leg=Leg(0.12), left_leg=Leg(0.14), turn=0.1
    )
    figure = render(Identity.of_seed(seed), pose)
    expected = {
        0: {Part.HEAD},
        3: _NEAR_RIGHT_WRIST,
        4: _NEAR_RIGHT_WRIST,
        6: _NEAR_LEFT_WRIST,
        7: _NEAR_LEFT_WRIST,
        10: _RIGHT_LEG,
        13: _LEFT_LEG,
        14: _FACE,
        15: _FACE,
    }
    for index, parts in expected.items():
        x, y = np.round(figure.keypoints[index, :2]).astype(int)
        assert Part(int(figure.surface[y, x, 0])) in parts, f"keypoint {index}"


def test_right_is_the_persons_right() -> None:
    keypoints = render(Identity.of_seed(1), Pose()).keypoints
    for right, left in ((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13), (14, 15), (16, 17)):
        assert keypoints[right, 0] < keypoints[left, 0]
    assert keypoints[0, 1] < keypoints[1, 1] < keypoints[8, 1] < keypoints[9, 1] < keypoints[10, 1]


def test_a_mirrored_pose_mirrors_the_keypoints() -> None:
    who, pose = Identity.of_seed(2), _pose(21)
    plain, mirrored = render(who, pose).keypoints, render(who, pose.mirrored()).keypoints
    exchanged = plain[[0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]]
    np.testing.assert_allclose(255 - mirrored[:, 0], exchanged[:, 0], atol=1e-2)
    np.testing.assert_allclose(mirrored[:, 1:], exchanged[:, 1:], atol=1e-2)


def test_a_figure_corresponds_to_itself() -> None:
    figure = render(Identity.of_seed(4), _pose(4))
    at, visible = correspondence(figure, figure)
    y, x = np.nonzero(visible)
    away = np.hypot(at[y, x, 0] - x, at[y, x, 1] - y)
    assert (away < 0.5).all()
    inner = _inner(figure)
    assert visible[inner].mean() > 0.97
    assert not visible[figure.surface[..., 0] == 0].any()


def test_correspondence_there_and_back_returns_to_the_same_place(pairs: list[tuple[Figure, Figure]]) -> None:
    for target, exemplar in pairs:
        there, visible = correspondence(target, exemplar)
        back, visible_back = correspondence(exemplar, target)
        inner = _inner(exemplar).astype(np.uint8)
        ys, xs = np.nonzero(visible & _inner(target))
        maps = there[ys, xs]
        nearest = np.round(maps).astype(int)
        sure = inner[nearest[:, 1], nearest[:, 0]].astype(bool) & visible_back[nearest[:, 1], nearest[:, 0]]
        x, y = maps[:, 0][None], maps[:, 1][None]
        landed = cv2.remap(back, x, y, cv2.INTER_LINEAR)[0]
        # Bilinear reading blends positions across folds and creases of the exemplar: leave those pixels out.
        smooth = cv2.remap(_roughness(back), x, y, cv2.INTER_LINEAR)[0] < 3
        away = np.hypot(landed[:, 0] - xs, landed[:, 1] - ys)[sure & smooth]
        assert away.size > 1500
        assert np.quantile(away, 0.99) < 0.5
        assert np.median(away) < 0.05


def _roughness(positions: np.ndarray) -> np.ndarray:
    """The greatest step to a neighbour in a map of positions, float32 [H, W]."""
    kernel = np.ones((3, 3))
    spread = cv2.dilate(positions, kernel) - cv2.erode(positions, kernel)
    return spread.max(axis=2)


def test_the_exemplar_read_at_the_correspondence_gives_the_targets_colours(
    pairs: list[tuple[Figure, Figure]],
) -> None:
    for target, exemplar in pairs:
        at, visible = correspondence(target, exemplar)
        warped = cv2.remap(exemplar.picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR).astype(np.float32)
        inner = _inner(exemplar).astype(np.float32)
        sure = visible & _inner(target) & (cv2.remap(inner, at[..., 0], at[..., 1], cv2.INTER_LINEAR) > 0.99)
        error = np.abs(warped - target.picture).mean(axis=2)[sure]
        assert error.size > 1500
        # Contact shadows differ from pose to pose, and so does how finely a pattern is sampled.
        assert error.mean() < 6
        assert np.median(error) < 4


def test_hidden_points_are_not_called_visible() -> None:
    """A hand before the belly hides what a hanging arm shows."""
    who = Identity.of_seed(2)
    hanging = Pose(right_arm=Arm(0.5), left_arm=Arm(0.5))
    before = Pose(right_arm=Arm(0.15, -1.35), left_arm=Arm(0.5))
    target, exemplar = render(who, hanging), render(who, before)
    at, visible = correspondence(target, exemplar)
    torso = target.surface[..., 0] == Part.TORSO
    nearest = np.clip(np.round(at).astype(int), 0, 255)
    covered = torso & np.isin(
        exemplar.surface[nearest[..., 1], nearest[..., 0], 0],
        [Part.RIGHT_ARM, Part.RIGHT_SLEEVE, Part.RIGHT_HAND, Part.RIGHT_THUMB],
    )
    assert covered.sum() > 80
    assert not visible[covered].any()


def test_a_dance_moves_smoothly_keeps_its_scale_and_stays_in_the_picture() -> None:
    poses = list(animate(np.random.default_rng(0), frames=120, fps=30))
    assert len(poses) == 120
    assert len({pose.scale for pose in poses}) == 1
    who = Identity.of_seed(7)
    keypoints = np.array([render(who, pose, 64).keypoints for pose in poses])
    assert (keypoints[..., :2] >= 0).all()
    assert (keypoints[..., :2] <= 63).all()
    steps = np.hypot(*np.moveaxis(np.diff(keypoints[:, :, :2], axis=0), 2, 0))
    assert steps.max() < 64 * 0.08
    wrists = keypoints[:, [4, 7], :2]
    assert (wrists.max(axis=0) - wrists.min(axis=0)).max() > 64 * 0.2


def test_a_dance_of_whole_bars_ends_where_it_begins() -> None:
    who = Identity.of_seed(7)
    poses = list(animate(np.random.default_rng(0), frames=120, fps=30))
    first, last = (render(who, pose, 64).keypoints[:, :2] for pose in (poses[0], poses[-1]))
    assert np.abs(first - last).max() < 64 * 0.06


def test_the_examples_are_complete_and_their_keypoints_match_their_pictures(tmp_path: Path) -> None:
    written = write_examples(tmp_path / "media")
    names = {path.name for path in written}
    assert {"dance.mp4", "dance.poses.npz", "red-stripes.png", "red-stripes.poses.npz"} <= names
    with av.open(str(tmp_path / "media" / "dance.mp4")) as film:
        assert {stream.codec_context.name for stream in film.streams} == {"h264", "aac"}
        assert film.streams.video[0].average_rate == FRAMES_A_SECOND
        frames = sum(1 for _ in film.decode(video=0))
    keypoints = np.load(tmp_path / "media" / "dance.poses.npz")["keypoints"]
    assert keypoints.shape == (frames, 18, 3) == (FRAMES, 18, 3)
    for name, (who, pose) in exemplars().items():
        figure = render(who, pose, 256)
        saved_picture = np.asarray(cv2.imread(str(tmp_path / "media" / f"{name}.png")))
        np.testing.assert_array_equal(saved_picture[..., ::-1], figure.picture)
        saved = np.load(tmp_path / "media" / f"{name}.poses.npz")["keypoints"]
        np.testing.assert_array_equal(saved, figure.keypoints[None])


def test_examples_into_a_file_are_refused_with_a_clear_message(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.write_text("")
    with pytest.raises(DynastError, match="taken"):
        write_examples(taken)
