"""`--crop person`: a box that shows people as large as training does, steady, and never in a hurry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from run_command import dynast_run, only_error
from tiny_engine import write_tiny_engine

from dynast_deploy.condition_options import Crop, CropOptions
from dynast_deploy.conditions.crop import Box, BoxFollower, steady_boxes
from dynast_deploy.conditions.pose import pose_condition
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses, read_poses, write_poses
from dynast_deploy.keypoints.poses import no_person
from dynast_deploy.media.picture_files import read_picture, write_picture
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.runtime.pipeline.condition_sources import check_options
from dynast_deploy.size import Size
from dynast_deploy.synthetic.people import Identity, render, sample_pose
from dynast_deploy.synthetic.people.animate import animate

WIDE = Size(360, 640)
STILL = render(Identity.of_seed(5), sample_pose(np.random.default_rng(3)), 64).keypoints


def placed(pose: np.ndarray, x: float, y: float, scale: float = 1.0) -> np.ndarray:
    return pose * np.array([scale, scale, 1], np.float32) + np.array([x, y, 0], np.float32)


def places(boxes: list[Box]) -> np.ndarray:
    """[T, 4]"""
    return np.array([(box.left, box.top, box.width, box.height) for box in boxes])


def followed(poses: np.ndarray) -> list[Box]:
    follower = BoxFollower(WIDE, 1.0)
    return [follower.box(pose) for pose in poses]


def looked_ahead(poses: np.ndarray) -> list[Box]:
    return steady_boxes(poses, WIDE, 1.0)


BOTH = pytest.mark.parametrize("boxes_of", [followed, looked_ahead])


@BOTH
def test_a_person_fills_the_picture_as_in_training(boxes_of) -> None:
    """Wherever a picture of training stands in a frame, and however small: the box lies about on that picture."""
    rng = np.random.default_rng(0)
    for seed in range(12):
        pose = render(Identity.of_seed(seed), sample_pose(rng), 256).keypoints
        (box,) = boxes_of(placed(pose, 200, 100, 60 / 256)[None])
        left, top, width, height = (
            (box.left - 200) / 60,
            (box.top - 100) / 60,
            box.width / 60,
            box.height / 60,
        )
        assert width == pytest.approx(height)
        assert 0.85 < height < 1.25
        assert -0.2 < left < 0.25
        assert -0.2 < top < 0.15


@BOTH
def test_the_box_has_the_networks_shape(boxes_of) -> None:
    follower = BoxFollower(WIDE, 0.5)
    assert follower.box(STILL).width == pytest.approx(follower.box(STILL).height / 2)
    assert steady_boxes(STILL[None], WIDE, 0.5)[0].width == pytest.approx(follower.box(STILL).width)


@BOTH
def test_a_still_person_keeps_a_still_box(boxes_of) -> None:
    found = places(boxes_of(np.repeat(placed(STILL, 100, 50)[None], 40, axis=0)))
    np.testing.assert_allclose(found, np.repeat(found[:1], 40, axis=0), atol=1e-6)


@BOTH
def test_shivering_keypoints_do_not_shake_the_box(boxes_of) -> None:
    rng = np.random.default_rng(0)
    track = np.repeat(placed(STILL, 100, 50)[None], 80, axis=0)
    track[..., :2] += rng.normal(0, 1.0, (80, 18, 2))
    steps = np.abs(np.diff(places(boxes_of(track))[10:, :2], axis=0))
    assert steps.max() < 0.6
    assert steps.mean() < 0.15


@BOTH
@pytest.mark.parametrize("speed", [1.0, 3.0])
def test_a_walker_stays_in_the_middle_and_the_box_moves_evenly(boxes_of, speed: float) -> None:
    track = np.stack([placed(STILL, 50 + speed * frame, 100) for frame in range(100)])
    found = places(boxes_of(track))
    ahead = found[:, 0] - (found[0, 0] + speed * np.arange(100))
    assert np.abs(ahead).max() < 0.1 * found[0, 3], "off the person by less than a tenth of the picture"
    steps = np.diff(found[:, 0])
    assert (steps >= 0).all()
    assert np.abs(np.diff(steps)).max() < 0.5 * speed


@BOTH
def test_an_arm_that_goes_up_does_not_make_the_box_jump(boxes_of) -> None:
    raised = STILL.copy()
    raised[[4, 7], 1] -= 30
    track = np.stack([placed(raised if 40 <= frame < 60 else STILL, 100, 100) for frame in range(100)])
    found = places(boxes_of(track))
    assert np.abs(np.diff(found, axis=0)).max() <= 0.1 * found[:, 3].max() + 1e-6


@BOTH
def test_one_frames_ghost_is_ignored_or_hardly_seen(boxes_of) -> None:
    track = np.repeat(placed(STILL, 100, 50)[None], 60, axis=0)
    track[30, 4, :2] += (60, 0)
    found = places(boxes_of(track))
    assert np.abs(found - found[0]).max() < 0.2 * found[0, 3]


@BOTH
def test_frames_without_a_person_hold_the_box(boxes_of) -> None:
    track = np.repeat(placed(STILL, 100, 50)[None], 30, axis=0)
    track[10:20] = no_person()
    found = places(boxes_of(track))
    np.testing.assert_allclose(found, np.repeat(found[:1], 30, axis=0), atol=1e-6)


@BOTH
def test_a_cut_moves_the_box_at_once_or_a_frame_later(boxes_of) -> None:
    track = np.stack([placed(STILL, 20 if frame < 30 else 500, 50) for frame in range(60)])
    found = places(boxes_of(track))
    assert found[29, 0] == pytest.approx(found[0, 0])
    np.testing.assert_allclose(found[31:, 0], found[0, 0] + 480, atol=1e-3)


@BOTH
def test_the_whole_picture_is_rendered_where_no_person_is_detected(boxes_of) -> None:
    for box in boxes_of(np.stack([no_person()] * 3)):
        assert (box.width, box.height) == pytest.approx((640, 640))
        assert (box.left, box.top) == pytest.approx((0, -140))


def test_two_points_in_one_place_are_no_person_to_crop_around() -> None:
    pair = no_person()
    pair[[3, 4]] = (100, 100, 1)
    assert BoxFollower(WIDE, 1.0).box(pair).height == 640


def test_what_is_cut_out_is_where_the_keypoints_are_placed() -> None:
    """The border goes on outside the picture, at any scale."""
    for scale in (0.3, 1.7):
        picture = np.full((180, 320, 3), 40, np.uint8)
        picture[105:115, 8:18] = 255
        box = Box(-10.0, 90.0, 64 / scale, 64 / scale)
        cut = box.cut(picture, Size(64, 64))[..., 0].astype(float) - 40
        rows, columns = np.mgrid[:64, :64] + 0.5
        centre = np.array([(cut * columns).sum(), (cut * rows).sum()]) / cut.sum()
        point = np.full((18, 3), (13, 110, 1), np.float32)
        np.testing.assert_allclose(centre, box.place_keypoints(point, Size(64, 64))[0, :2], atol=0.3)
        assert (cut[:, :2] == 0).all()


@pytest.fixture(scope="module")
def wide_shot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A marionette 45 pixels high that dances to the right in a wide frame; and one in a wide photograph."""
    folder = tmp_path_factory.mktemp("wide")
    write_tiny_engine(folder)
    keypoints = []
    dance = animate(np.random.default_rng(6), 24, 30)
    with VideoWriter(folder / "walk.mp4", WIDE, 30) as writer:
        for frame, pose in enumerate(dance):
            figure = render(Identity.of_seed(1), pose, 52)
            picture = np.full((*WIDE, 3), 128, np.uint8)
            left = 40 + 6 * frame
            picture[200:252, left : left + 52] = figure.picture
            keypoints.append(placed(figure.keypoints, left, 200))
            writer.write(picture)
    write_poses(folder / "walk.poses.npz", Poses(np.stack(keypoints), WIDE))
    figure = render(Identity.of_seed(2), sample_pose(np.random.default_rng(1)), 80)
    photo = np.full((300, 500, 3), 200, np.uint8)
    photo[150:230, 300:380] = figure.picture
    write_picture(folder / "ref.png", photo)
    write_poses(folder / "ref.poses.npz", Poses(placed(figure.keypoints, 300, 150)[None]))
    return folder


def drawn_rows(picture: np.ndarray) -> int:
    """Height of what is drawn on the black of a condition's picture."""
    rows = np.flatnonzero(picture.max(axis=(1, 2)) > 60)
    return int(rows[-1] - rows[0]) + 1 if len(rows) else 0


def test_a_walker_in_a_wide_shot_is_drawn_large(wide_shot: Path, tmp_path: Path, monkeypatch) -> None:
    from typer.testing import CliRunner

    from dynast_deploy.cli import app

    heights = {}
    for crop in Crop:
        out = tmp_path / f"{crop}.mp4"
        command = ["condition", str(wide_shot / "walk.mp4"), "--size", "128", "--crop", crop, "-o", str(out)]
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
        with VideoReader(out) as reader:
            assert reader.size == Size(128, 128)
            heights[crop] = [drawn_rows(frame.picture) for frame in reader]
    assert max(heights[Crop.NONE]) < 0.15 * 128
    assert min(heights[Crop.PERSON]) > 0.5 * 128
    assert max(heights[Crop.PERSON]) <= 0.95 * 128


def test_the_written_video_is_the_box_and_saved_poses_are_the_frames_own(
    wide_shot: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    out, saved = tmp_path / "out.mp4", tmp_path / "used.npz"
    options = ["--video", wide_shot / "walk.mp4", "--exemplar", wide_shot / "ref.png", "--side-by-side"]
    options += ["-o", out, "--crop", "person", "--save-poses", saved, "--engine", wide_shot / "tiny20.onnx"]
    assert dynast_run(monkeypatch, *options) == 0, capsys.readouterr().err
    with VideoReader(out) as reader:
        # Exemplar, box and result, all 32 pixels high.
        assert reader.size == Size(32, 53 + 32 + 32 + 1), "encoded at even sizes"
        assert len(list(reader)) == 24
    np.testing.assert_allclose(
        read_poses(saved).keypoints, read_poses(wide_shot / "walk.poses.npz").keypoints, rtol=1e-5
    )


def test_a_small_exemplar_is_cropped_and_a_large_one_is_not(wide_shot: Path) -> None:
    from dynast_deploy.keypoints import resolve_poses

    photo = read_picture(wide_shot / "ref.png")
    with resolve_poses(wide_shot / "ref.png") as source:
        cropped, _ = ConditionDrawer(Task.POSE, Size(32, 32), source=source, crop=Crop.PERSON).exemplar(
            photo, "ref.png"
        )
    assert (np.abs(cropped - cropped[0, :, :1, :1]) > 0.1).any(axis=(0, 1, 3)).sum() > 20, (
        "most rows show her"
    )
    figure = render(Identity.of_seed(2), sample_pose(np.random.default_rng(1)), 80)
    write_picture(wide_shot / "large.png", figure.picture)
    write_poses(wide_shot / "large.poses.npz", Poses(figure.keypoints[None]))
    with resolve_poses(wide_shot / "large.png") as source:
        alone, plain = (
            ConditionDrawer(Task.POSE, Size(32, 32), source=source, crop=crop).exemplar(
                figure.picture, "large.png"
            )
            for crop in (Crop.PERSON, Crop.NONE)
        )
    np.testing.assert_array_equal(alone[0], plain[0])
    # Drawn as the frames' boxes are: sticks are as thick in the network's picture, not in the photograph.
    small = figure.keypoints * np.array([32 / 80, 32 / 80, 1])
    np.testing.assert_array_equal(alone[1][0], pose_condition(small, (32, 32), (32, 32)))
    assert (alone[1] != plain[1]).any()


def test_an_exemplar_of_a_few_pixels_is_refused(wide_shot: Path) -> None:
    from dynast_deploy.keypoints import resolve_poses

    write_poses(wide_shot / "far.poses.npz", Poses(placed(STILL, 100, 100, 0.2)[None]))
    with resolve_poses(wide_shot / "far.png") as source:
        drawer = ConditionDrawer(Task.POSE, Size(32, 32), source=source, crop=Crop.PERSON)
        with pytest.raises(DynastError, match=r"far\.png: the person in the exemplar is 1\d pixels high"):
            drawer.exemplar(np.zeros((300, 500, 3), np.uint8), "far.png")


def test_engines_without_poses_refuse_to_crop(tmp_path: Path, monkeypatch, capsys) -> None:
    with pytest.raises(DynastError, match="leave --crop out"):
        check_options(Task.FACE, "face.onnx", CropOptions(crop=Crop.PERSON))
    check_options(Task.FACE, "face.onnx", CropOptions())
    write_tiny_engine(tmp_path, semantic_nc=3)
    write_picture(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    options = [
        "--engine",
        tmp_path / "tiny3.onnx",
        "--images",
        tmp_path / "a.png",
        "--exemplar",
        tmp_path / "a.png",
    ]
    assert dynast_run(monkeypatch, *options, "--crop", "person") == 2
    assert "leave --crop out" in only_error(capsys.readouterr().err)
