"""The files of `examples/`: complete, consistent, and an engine that paints what it should."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from checkout import EXAMPLES

from dynast_deploy.conditions import face_condition, picture_tensor, pose_condition, tensor_picture
from dynast_deploy.config import Task
from dynast_deploy.face_parts import resolve_parts
from dynast_deploy.keypoints import read_poses
from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.metrics import psnr
from dynast_deploy.runtime import Engine, load_engine
from dynast_deploy.synthetic.faces import Face, sample_view
from dynast_deploy.synthetic.faces import render as render_face
from dynast_deploy.synthetic.faces.examples import FRAMES as TALK_FRAMES
from dynast_deploy.synthetic.people import FIRST_EVALUATION_SEED, Identity, render, sample_pose
from dynast_deploy.synthetic.scenes import paint_content, paint_style
from dynast_deploy.synthetic.scenes.examples import FRAMES as FILM_FRAMES


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


@pytest.mark.parametrize("engine", ["marionette.onnx", "face.onnx", "style.onnx"])
def test_the_engines_are_small_enough_to_ship(engine: str) -> None:
    assert (EXAMPLES / engine).stat().st_size < 25e6


def picture_of(engine: Engine, exemplar: tuple[np.ndarray, np.ndarray], condition: np.ndarray) -> np.ndarray:
    """What the engine paints, uint8 [H, W, 3], with an exemplar's picture uint8 [H, W, 3] and condition [S, H, W]."""
    shown = picture_tensor(exemplar[0], engine.info.height)[None]
    return tensor_picture(engine.render(engine.encode_exemplar(shown, exemplar[1][None]), condition[None])[0])


@pytest.mark.parametrize("seed", range(4))
def test_the_pose_engine_paints_people_it_has_never_seen(seed: int) -> None:
    """In their colours and the new pose: 6 dB of PSNR over the exemplar as it is, on the figure's pixels."""
    engine = load_engine(EXAMPLES / "marionette.onnx")
    assert engine.info.task is Task.POSE
    size = engine.info.height
    assert size == 256
    rng = np.random.default_rng(seed)
    identity = Identity.of_seed(FIRST_EVALUATION_SEED + 500 + seed)
    exemplar, target = (render(identity, sample_pose(rng), size) for _ in range(2))
    conditions = [pose_condition(figure.keypoints, (size, size), size) for figure in (exemplar, target)]
    image = picture_of(engine, (exemplar.picture, conditions[0]), conditions[1])
    figure = target.surface[..., 0] > 0
    decibels = partial(psnr, data_range=255, mask=figure)
    assert decibels(image, target.picture) > decibels(exemplar.picture, target.picture) + 6


@pytest.mark.parametrize("seed", range(3))
def test_the_face_engine_paints_faces_it_has_never_seen(seed: int) -> None:
    """In their colours, turned as the other view is: 3 dB of PSNR over the exemplar as it is."""
    engine = load_engine(EXAMPLES / "face.onnx")
    assert engine.info.task is Task.FACE
    size = engine.info.height
    rng = np.random.default_rng(seed)
    face = Face.of_seed(FIRST_EVALUATION_SEED + 500 + seed)
    exemplar, target = (render_face(face, sample_view(rng), size) for _ in range(2))
    conditions = [face_condition(view.masks, view.picture, size) for view in (exemplar, target)]
    image = picture_of(engine, (exemplar.picture, conditions[0]), conditions[1])
    decibels = partial(psnr, data_range=255)
    assert decibels(image, target.picture) > decibels(exemplar.picture, target.picture) + 3


@pytest.mark.parametrize("seed", range(3))
def test_the_style_engine_takes_colours_and_keeps_the_scene(seed: int) -> None:
    """The mean colour comes at least halfway to that of the exemplar; light and dark stay where they are."""
    engine = load_engine(EXAMPLES / "style.onnx")
    assert engine.info.task is Task.STYLE
    size = engine.info.height
    content = paint_content(FIRST_EVALUATION_SEED + seed, size)
    style = paint_style(FIRST_EVALUATION_SEED + seed, size)
    conditions = [(picture_tensor(picture, size) + 1) / 2 for picture in (style, content)]
    image = picture_of(engine, (style, conditions[0]), conditions[1])

    def colour_difference(picture: np.ndarray) -> float:
        return float(np.abs(picture.mean((0, 1)) - style.mean((0, 1))).mean())

    assert colour_difference(image) < 0.5 * colour_difference(content)
    assert np.corrcoef(image.mean(2).ravel(), content.mean(2).ravel())[0, 1] > 0.5
