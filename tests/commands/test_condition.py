"""`dynast condition`: what the network will see, of pictures and videos."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from tiny_engine import write_tiny_engine
from typer.testing import CliRunner, Result
from video_clips import write_clip

from dynast_deploy.cli import app
from dynast_deploy.commands.condition import choose_target, condition
from dynast_deploy.conditions import face_condition, pose_condition
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import write_parts
from dynast_deploy.media.picture_files import read_picture, write_picture
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.size import Size
from dynast_deploy.synthetic.faces import Face, View
from dynast_deploy.synthetic.faces import render as draw_face
from dynast_deploy.synthetic.people import Identity, render, sample_pose
from dynast_deploy.tasks.preview import draw_condition


def dynast(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def figure_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a marionette, its keypoints next to it."""
    figure = render(Identity.of_seed(3), sample_pose(np.random.default_rng(0)), 128)
    folder = tmp_path_factory.mktemp("figure")
    write_picture(folder / "figure.png", figure.picture)
    np.savez(folder / "figure.poses.npz", keypoints=figure.keypoints[None])
    return folder / "figure.png"


def test_condition_draws_what_the_network_sees_of_a_picture(figure_file: Path, tmp_path: Path) -> None:
    result = dynast("condition", figure_file, "--size", "64", "-o", tmp_path / "seen.png")
    assert result.exit_code == 0, result.output
    keypoints = np.load(figure_file.with_name("figure.poses.npz"))["keypoints"][0]
    expected = draw_condition(pose_condition(keypoints, (128, 128), 64))
    np.testing.assert_array_equal(read_picture(tmp_path / "seen.png"), expected)
    assert expected.max() > 0


def test_condition_of_style_is_the_picture_itself(figure_file: Path, tmp_path: Path) -> None:
    dynast("condition", figure_file, "--task", "style", "--size", "128x128", "-o", tmp_path / "seen.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "seen.png"), read_picture(figure_file))


def test_condition_of_a_face_is_drawn_from_its_parts(tmp_path: Path) -> None:
    portrait = draw_face(Face.of_seed(1), View(), 64)
    write_picture(tmp_path / "face.png", portrait.picture)
    write_parts(tmp_path / "masks.npz", [portrait.masks])
    seen = tmp_path / "seen.png"
    arguments = ("condition", tmp_path / "face.png", "--task", "face", "--size", "64", "-o", seen)
    assert dynast(*arguments, "--parts", tmp_path / "masks.npz").exit_code == 0
    expected = draw_condition(face_condition(portrait.masks, portrait.picture, 64))
    np.testing.assert_array_equal(read_picture(seen), expected)
    refused = dynast("condition", tmp_path / "face.png", "--parts", tmp_path / "masks.npz")
    assert "--task pose draws from pose conditions, which have no parts of a face" in str(refused.exception)


def test_condition_takes_task_and_size_from_an_engine(tmp_path: Path) -> None:
    engine = write_tiny_engine(tmp_path, crop_size=32)
    for file in (engine, engine.with_suffix(".pth")):
        assert choose_target(file, None, None) == (Task.POSE, Size(32, 32))
    assert choose_target(engine, Task.POSE, "32x32") == (Task.POSE, Size(32, 32))
    assert choose_target(None, None, None) == (Task.POSE, Size(256, 256))
    with pytest.raises(DynastError, match="its conditions show pose, not face; leave --task out"):
        choose_target(engine, Task.FACE, None)
    with pytest.raises(DynastError, match="its pictures are 32x32, not 64x64; leave --size out"):
        choose_target(engine, None, "64x64")


@pytest.fixture
def clip(tmp_path: Path) -> tuple[Path, list[Fraction]]:
    """A clip of six frames with uneven times and sound, and a figure's poses next to it."""
    times = write_clip(
        tmp_path / "walk.mp4", times=[0, 3003, 6100, 9009, 12200, 15015], height=128, width=128
    )
    rng = np.random.default_rng(0)
    poses = [render(Identity.of_seed(1), sample_pose(rng), 128).keypoints for _ in range(6)]
    np.savez(tmp_path / "walk.poses.npz", keypoints=np.stack(poses))
    return tmp_path / "walk.mp4", times


def test_condition_of_a_video_keeps_its_times_and_sound(clip: tuple[Path, list[Fraction]]) -> None:
    video, times = clip
    result = dynast("condition", video, "--size", "128")
    assert result.exit_code == 0, result.output
    output = video.with_name("walk.condition.mp4")
    assert result.stdout.strip().endswith(str(output))
    keypoints = np.load(video.with_name("walk.poses.npz"))["keypoints"]
    with VideoReader(output) as reader:
        assert reader.has_audio
        frames = list(reader)
    assert_allclose([float(frame.time) for frame in frames], [float(time) for time in times], atol=1e-3)
    for frame, pose in zip(frames, keypoints, strict=True):
        expected = draw_condition(pose_condition(pose, (128, 128), 128))
        # What H.264 loses of thin coloured sticks.
        assert np.abs(frame.picture.astype(int) - expected).mean() < 4


def test_condition_with_too_many_poses_writes_nothing(
    clip: tuple[Path, list[Fraction]], tmp_path: Path
) -> None:
    video, _ = clip
    np.savez(tmp_path / "many.npz", keypoints=np.ones((7, 18, 3)))
    result = dynast("condition", video, "--poses", tmp_path / "many.npz", "--size", "64")
    assert isinstance(result.exception, DynastError)
    assert "7 poses for 6 frames" in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["many.npz", "walk.mp4", "walk.poses.npz"]


def test_a_folder_is_not_called_missing(tmp_path: Path) -> None:
    refused = dynast("condition", tmp_path, "--task", "style")
    assert str(refused.exception) == f"{tmp_path} is a folder; name one picture or video"


def test_condition_of_no_person_is_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "empty.png", np.zeros((32, 32, 3), np.uint8))
    np.savez(tmp_path / "empty.poses.npz", keypoints=np.zeros((1, 18, 3)))
    with pytest.raises(DynastError, match=r"empty\.png: no person detected in it"):
        condition(tmp_path / "empty.png")
    assert not (tmp_path / "empty.condition.png").exists()
