"""Where poses come from, in which order; and MediaPipe, where it is installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from dynast_deploy.conditions import FACE_PARTS, face_condition
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses, resolve_poses, sources, write_poses
from dynast_deploy.keypoints.mediapipe_face import OUTLINES, FaceMesh, face_masks, masks_of_mesh
from dynast_deploy.keypoints.mediapipe_models import MediaPipeNetwork, find_models
from dynast_deploy.keypoints.mediapipe_pose import MediaPipePose, openpose18_of_landmarks
from dynast_deploy.keypoints.poses import is_seen, no_person
from dynast_deploy.size import Size

PICTURE = np.zeros((90, 160, 3), np.uint8)

MODELS = find_models(tuple(MediaPipeNetwork))
needs_models = pytest.mark.skipif(
    MODELS is None, reason="MediaPipe's networks are not here; dynast fetch-models brings them"
)


def poses(count: int = 2, picture_size: Size | None = None) -> Poses:
    return Poses(np.arange(count * 54, dtype=np.float32).reshape(count, 18, 3) + 1, picture_size)


@pytest.fixture
def video(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A video's name, and a machine without MediaPipe's networks."""
    monkeypatch.setattr(sources, "find_models", lambda _: None)
    return tmp_path / "walk.mp4"


class FixedModel:
    """Answers with the people it was given, one a call, and remembers what it was told of the frame before."""

    def __init__(self, answers: list[np.ndarray], sees_everybody: bool = False) -> None:
        self.answers, self.sees_everybody = answers, sees_everybody
        self.previous: list[np.ndarray | None] = []

    def people(self, picture: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
        self.previous.append(previous)
        found = self.answers[len(self.previous) - 1].reshape(-1, 18, 3)
        return found[is_seen(found).any(axis=1)]


class TestOrder:
    def test_what_is_named_comes_before_the_file_next_to_the_video(
        self, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_poses(tmp_path / "walk.poses.npz", poses(1))
        write_poses(tmp_path / "other.npz", poses(3))
        monkeypatch.setattr(sources, "PoseModel", lambda *_: FixedModel([]))
        with resolve_poses(video, poses_path=tmp_path / "other.npz", model_path="rtm.onnx") as source:
            assert source.frames == 3
        with resolve_poses(video, model_path="rtm.onnx") as source:
            assert (source.origin, source.frames) == ("rtm.onnx", None)
        with resolve_poses(video) as source:
            assert source.origin.endswith("walk.poses.npz")

    def test_a_named_model_that_is_not_there_is_an_error_even_next_to_a_file(
        self, video: Path, tmp_path: Path
    ) -> None:
        write_poses(tmp_path / "walk.poses.npz", poses(1))
        for name in ("no-such.onnx", "no-such.task"):
            with pytest.raises(DynastError, match=name):
                resolve_poses(video, model_path=tmp_path / name)

    @pytest.mark.parametrize("name", ["pose_landmarker_full.task", "mediapipe-0.10.14-any.WHL"])
    def test_mediapipes_bundles_and_wheels_are_models_too(
        self, video: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setattr(sources, "MediaPipePose", lambda models, min_score: (models, min_score))
        source = resolve_poses(video, model_path=name, min_score=0.4)
        assert name in source.origin
        assert source._tracker == (Path(name), 0.4)  # type: ignore[attr-defined]

    def test_a_file_next_to_the_video_comes_before_mediapipes_networks(
        self, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sources, "find_models", lambda _: Path("fetched.task"))
        monkeypatch.setattr(sources, "MediaPipePose", lambda models, min_score: None)
        assert resolve_poses(video).origin == "MediaPipe's models in fetched.task"
        write_poses(tmp_path / "walk.poses.npz", poses(1))
        assert resolve_poses(video).origin.endswith("walk.poses.npz")

    def test_without_any_the_four_ways_are_named(self, video: Path) -> None:
        with pytest.raises(DynastError) as error:
            resolve_poses(video)
        for way in ("--poses", "walk.poses.npz", "--pose-model", "dynast fetch-models"):
            assert way in str(error.value)

    def test_a_named_file_that_is_not_there_is_an_error(self, video: Path, tmp_path: Path) -> None:
        with pytest.raises(DynastError, match="no such file"):
            resolve_poses(video, poses_path=tmp_path / "missing.json")


class TestFilePoses:
    def test_each_frame_gets_its_own_pose(self, video: Path, tmp_path: Path) -> None:
        write_poses(tmp_path / "walk.poses.npz", poses())
        with resolve_poses(video) as source:
            np.testing.assert_array_equal(source.pose(1, PICTURE), poses().keypoints[1])
            with pytest.raises(DynastError, match="holds 2 poses and none for frame 2"):
                source.pose(2, PICTURE)

    def test_poses_of_another_picture_size_are_scaled(self, video: Path, tmp_path: Path) -> None:
        write_poses(tmp_path / "walk.poses.npz", poses(picture_size=Size(180, 320)))
        with resolve_poses(video) as source:
            np.testing.assert_allclose(
                source.pose(0, PICTURE), poses().keypoints[0] * np.array([0.5, 0.5, 1], np.float32)
            )

    def test_fractions_are_of_the_picture_itself(self, video: Path, tmp_path: Path) -> None:
        people = {"people": [{"pose_keypoints_2d": [0.5, 0.5, 1.0] * 18}]}
        (tmp_path / "walk.poses.json").write_text(json.dumps(people))
        with resolve_poses(video) as source:
            np.testing.assert_array_equal(source.pose(0, PICTURE)[3], [80, 45, 1])


def test_a_model_is_told_where_the_person_was_last_seen() -> None:
    first, second = poses().keypoints
    model = FixedModel([first, no_person(), second])
    source = sources.ModelPoses(model, "model")  # type: ignore[arg-type]
    for index in range(3):
        source.pose(index, PICTURE)
    assert model.previous[0] is None
    np.testing.assert_array_equal(model.previous[1], first)
    np.testing.assert_array_equal(model.previous[2], first)
    source.restart()
    model.previous.clear()
    source.pose(0, PICTURE)
    assert model.previous == [None], "another picture: no person is followed into it"


def test_a_model_of_everybody_waits_for_the_person_while_somebody_comes_by() -> None:
    person = np.column_stack([np.arange(18) * 4.0, np.arange(18) * 9.0, np.ones(18)]).astype(np.float32)
    other = person + np.float32([120, 5, 0])
    answers = [person, other, np.stack([other, person + np.float32([1, 1, 0])])]
    source = sources.ModelPoses(FixedModel(answers, sees_everybody=True), "model")  # type: ignore[arg-type]
    found = [source.pose(index, PICTURE) for index in range(3)]
    assert [bool(is_seen(pose).any()) for pose in found] == [True, False, True]
    np.testing.assert_array_equal(found[2], answers[2][1])


class TestMediaPipe:
    def test_landmarks_become_openposes_keypoints(self) -> None:
        points = np.column_stack([np.arange(33) + 10.0, np.arange(33) + 20.0, np.full(33, 0.9)])
        points[14, 2] = 0.4  # right elbow: hidden
        points[27, 0] = 99  # left ankle: outside
        pose = openpose18_of_landmarks(points, Size(60, 60))
        assert [int(x) - 10 for x in np.nan_to_num(pose[:, 0], nan=9)] == [
            *(0, 11, 12, -1, 16, 11, 13, 15, 24),
            *(26, 28, 23, 25, -1, 5, 2, 8, 7),
        ]
        np.testing.assert_allclose(pose[1, :2], [21.5, 31.5])
        assert pose[3].tolist()[2] == 0

    def test_a_hidden_shoulder_hides_the_neck(self) -> None:
        points = np.full((33, 3), 5.0)
        points[11, 2] = 0.1
        assert np.isnan(openpose18_of_landmarks(points, Size(60, 60))[1, 0])

    def test_parts_of_the_mesh_are_parts_of_a_face_condition(self) -> None:
        angles = np.linspace(0, 2 * np.pi, 468)
        points = 30 + 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        masks = masks_of_mesh(points, Size(60, 60))
        assert set(masks) == set(OUTLINES)
        assert set(masks) < set(FACE_PARTS)
        assert all(mask.dtype == bool and mask.shape == (60, 60) for mask in masks.values())

    @needs_models
    def test_a_person_in_a_photograph_is_found(self) -> None:
        photo = pytest.importorskip("skimage.data", reason="scikit-image has the photograph").astronaut()
        assert MODELS is not None
        tracker = MediaPipePose(MODELS)
        pose = tracker(photo)
        assert np.isnan(tracker(np.zeros_like(photo))[:, 0]).all()
        # Nose, right and left shoulder as one sees them in the picture; a twentieth of its side is precise
        # enough to tell every keypoint from its neighbours.
        np.testing.assert_allclose(pose[[0, 2, 5], :2], [[223, 132], [110, 235], [299, 241]], atol=25)
        assert np.isnan(pose[8:14, 0]).all(), "her legs are outside the picture"

    @needs_models
    def test_the_parts_of_a_face_in_a_photograph_lie_where_they_should(self) -> None:
        photo = pytest.importorskip("skimage.data", reason="scikit-image has the photograph").astronaut()
        assert MODELS is not None
        mesh = FaceMesh(MODELS)
        masks = face_masks(photo, mesh)
        centres = {part: np.argwhere(mask).mean(axis=0) for part, mask in masks.items()}
        assert centres["l_eye"][1] < centres["nose"][1] < centres["r_eye"][1]
        rows = [centres[part][0] for part in ("l_brow", "l_eye", "nose", "u_lip", "mouth", "l_lip")]
        assert rows == sorted(rows)
        assert all((mask & ~masks["skin"]).sum() <= 0.1 * mask.sum() for mask in masks.values())
        assert face_condition(masks, photo)[-1].any()
        assert face_masks(np.zeros_like(photo), mesh) == {}
