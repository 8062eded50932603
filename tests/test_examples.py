"""The files of `examples/`: complete, consistent, and an engine that paints what it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dynast_deploy.conditions import picture_tensor, pose_condition, tensor_picture
from dynast_deploy.config import Task
from dynast_deploy.drawn_faces.examples import FRAMES as TALK_FRAMES
from dynast_deploy.face_parts import resolve_parts
from dynast_deploy.keypoints import read_poses
from dynast_deploy.marionette import FIRST_EVALUATION_SEED, Identity, render, sample_pose
from dynast_deploy.procedural_style.examples import FRAMES as FILM_FRAMES
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.pictures import read_picture
from dynast_deploy.runtime.video_reader import VideoReader

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def test_every_picture_and_video_has_its_keypoints() -> None:
    exemplars = sorted(EXAMPLES.glob("*.png"))
    assert len(exemplars) >= 3
    for picture in exemplars:
        height, width = read_picture(picture).shape[:2]
        poses = read_poses(picture.with_suffix(".poses.npz"))
        assert len(poses) == 1
        seen = poses.keypoints[0][poses.keypoints[0, :, 2] > 0]
        assert len(seen) >= 14
        assert (seen[:, :2] >= 0).all()
        assert (seen[:, :2] < (width, height)).all()
    with VideoReader(EXAMPLES / "dance.mp4") as reader:
        assert reader.has_audio
        assert len(read_poses(EXAMPLES / "dance.poses.npz")) == len(list(reader))


def test_every_face_has_its_parts() -> None:
    exemplars = sorted((EXAMPLES / "face").glob("*.png"))
    assert len(exemplars) == 2
    for picture in exemplars:
        with resolve_parts(picture) as parts:
            assert parts.frames == 1
            masks = parts.masks(0, read_picture(picture))
        assert {"skin", "hair", "nose", "l_eye", "r_eye", "u_lip", "l_lip"} <= masks.keys()
    talk = EXAMPLES / "face" / "talking.mp4"
    with VideoReader(talk) as reader, resolve_parts(talk) as parts:
        eyes = [("l_eye" in parts.masks(frame.index, frame.picture)) for frame in reader]
        assert parts.frames == len(eyes) == TALK_FRAMES
    assert 0 < eyes.count(False) < TALK_FRAMES // 6, "eyes blink, and are open else"


def test_style_has_something_to_paint_and_to_paint_it_like() -> None:
    assert len([read_picture(path) for path in (EXAMPLES / "style").glob("*.png")]) == 2
    with VideoReader(EXAMPLES / "style" / "town.mp4") as reader:
        assert reader.size == (256, 256)
        assert len(list(reader)) == FILM_FRAMES


def test_media_are_small() -> None:
    media = [path for name in ("face", "style") for path in (EXAMPLES / name).iterdir()]
    assert sum(path.stat().st_size for path in media) < 1.5e6


def test_the_engine_is_small_enough_to_ship() -> None:
    assert (EXAMPLES / "marionette.onnx").stat().st_size < 25e6


@pytest.mark.parametrize("seed", range(4))
def test_the_engine_paints_people_it_has_never_seen(seed: int) -> None:
    """In their colours and the new pose: 5 dB of PSNR over the exemplar as it is, on the figure's pixels."""
    engine = load_engine(EXAMPLES / "marionette.onnx")
    assert engine.info.task is Task.POSE
    size = engine.info.height
    rng = np.random.default_rng(seed)
    identity = Identity.of_seed(FIRST_EVALUATION_SEED + 500 + seed)
    exemplar, target = (render(identity, sample_pose(rng), size) for _ in range(2))
    conditions = [pose_condition(figure.keypoints, (size, size), size)[None] for figure in (exemplar, target)]
    encoded = engine.encode_exemplar(picture_tensor(exemplar.picture, size)[None], conditions[0])
    image = tensor_picture(engine.render(encoded, conditions[1])[0])
    figure = target.surface[..., 0] > 0

    def psnr(picture: np.ndarray) -> float:
        return float(10 * np.log10(255**2 / np.mean((picture.astype(float) - target.picture)[figure] ** 2)))

    assert psnr(image) > psnr(exemplar.picture) + 5
