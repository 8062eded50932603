"""Where poses come from: a file or model that the user names, a file next to the video, or MediaPipe's networks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from dynast_deploy.condition_input import ConditionInput, SourceMessages
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.files import find_sidecar, read_recording
from dynast_deploy.keypoints.mediapipe_models import ENDINGS, FETCH_COMMAND, find_models
from dynast_deploy.keypoints.mediapipe_pose import POSE_NETWORKS, MediaPipePose
from dynast_deploy.keypoints.people import choose_person
from dynast_deploy.keypoints.person_follower import LIVE_HOLD, PersonFollower
from dynast_deploy.keypoints.pose_file import PoseFile, poses_beside
from dynast_deploy.keypoints.pose_model import PoseModel
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.size import Size


class PoseSource(ConditionInput):
    """The poses of one picture or video."""

    words = SourceMessages("poses", "poses", "keypoints", "no person", "the pose")

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        """Float32 [18, 3] in pixels of `picture`, uint8 [H, W, 3] in RGB: frame `frame_index`, from 0.

        Raises:
            DynastError: Where there is no pose for the frame, or it does not fit the picture.
        """
        raise NotImplementedError

    def track(self, picture_size: Size) -> np.ndarray | None:
        """Float32 [T, 18, 3] in pixels of a picture of this size: every frame's pose, None where they are estimated."""
        return None


class FilePoses(PoseSource):
    """Poses of a file or folder, scaled where it states another picture size."""

    frames: int

    def __init__(self, file: PoseFile) -> None:
        self._file = file
        self.origin, self.frames = file.recording.origin, file.frames

    @property
    def note(self) -> str | None:
        """One line on frames of a video that the file leaves out; None where there are none."""
        return self._file.note

    @property
    def is_empty(self) -> bool:
        """Whether no frame shows a person."""
        return not any(len(frame.people) for frame in self._file.recording.frames)

    def check_frames(self, frames: int) -> None:
        """Compare the file with a video; what numbers in it mean may depend on it.

        Raises:
            DynastError: Unless there is a pose for each of the `frames` of the video, and no more.
        """
        if not self._file.fits(frames):
            super().check_frames(frames)
        self.frames = self._file.frames

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        """Float32 [18, 3] in pixels of `picture`, uint8 [H, W, 3]: frame `frame_index`, from 0.

        Raises:
            DynastError: Where the file holds none for it, or its keypoints are of other pixels.
        """
        if not self._file.recording.open_ended:
            self.check_frame(frame_index)
        return self._file.pose(frame_index, Size.of(picture))

    def track(self, picture_size: Size) -> np.ndarray:
        """Float32 [T, 18, 3] in pixels of a picture of this size: every frame's pose.

        Raises:
            DynastError: Where its keypoints are of other pixels.
        """
        return self._file.track(picture_size)


class ModelPoses(PoseSource):
    """Poses from the user's own model, which follows one person."""

    def __init__(self, model: PoseModel, origin: str) -> None:
        self.origin = origin
        self._model = model
        self._last_seen: np.ndarray | None = None
        self._follower = PersonFollower(LIVE_HOLD)

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        """Float32 [18, 3] in pixels of `picture`, uint8 [H, W, 3] in RGB, which comes after those before it.

        Raises:
            DynastError: Where the model does not run.
        """
        last = self._last_seen
        people = self._model.people(picture, last)
        follows = self._model.sees_everybody
        pose = self._follower.follow(people) if follows else choose_person(people, last)
        if is_seen(pose).any():
            self._last_seen = pose
        return pose

    def restart(self) -> None:
        """Forget the person: the next picture has nothing to do with those before."""
        self._last_seen = None
        self._follower = PersonFollower(LIVE_HOLD)


class MediaPipePoses(PoseSource):
    """Poses from MediaPipe's networks, which follow one person."""

    def __init__(self, models: Path, min_score: float | None = None) -> None:
        self.origin = f"MediaPipe's models in {models}"
        self._tracker = MediaPipePose(models, min_score)

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        """Float32 [18, 3] in pixels of `picture`, uint8 [H, W, 3] in RGB, which comes after those before it.

        Raises:
            DynastError: Where a network does not run.
        """
        return self._tracker(picture)

    def restart(self) -> None:
        """Forget the person: the next picture has nothing to do with those before."""
        self._tracker.restart()


def resolve_poses(
    media_path: str | os.PathLike[str],
    poses_path: str | os.PathLike[str] | None = None,
    model_path: str | os.PathLike[str] | None = None,
    channel_order: Literal["rgb", "bgr"] = "rgb",
    option: str = "--poses",
    pictures: Sequence[Path] | None = None,
    shares_name: bool = False,
    min_score: float | None = None,
) -> PoseSource:
    """The source of poses for a picture or video: the first of these that there is.

    Args:
        media_path: The picture or video; a file of poses next to it is found by its name (`find_sidecar`).
        poses_path: The file or folder that the user named.
        model_path: The user's own pose model: in ONNX, with its channels in `channel_order`, or a bundle or wheel of
            MediaPipe's.
        option: The command-line option that sets `poses_path`, for the error.
        pictures: The pictures that the poses are for, in their order; None for a video.
        shares_name: Whether a picture of the same name lies next to the video (`pose_file.poses_beside`).
        min_score: Keypoints that score lower are not seen; by default all of a file are, and of a model those that
            score its kind's own.

    Order: `poses_path`, `model_path`, the file next to the video, MediaPipe's networks where they are on this machine.

    Raises:
        DynastError: Where there is none of them, or the first that there is cannot be read.
    """
    if poses_path is not None:
        return FilePoses(PoseFile(read_recording(poses_path, min_score or 0), pictures))
    if model_path is not None:
        return _of_model(Path(model_path), channel_order, min_score)
    poses = poses_beside(media_path, pictures is not None, shares_name, min_score or 0)
    if poses is not None:
        return FilePoses(poses)
    models = find_models(POSE_NETWORKS)
    if models is not None:
        return MediaPipePoses(models, min_score)
    stem, sidecar = Path(media_path).stem, find_sidecar(media_path)
    other = f" ({sidecar} is of another picture or video of that name)" if sidecar else ""
    raise DynastError(
        f"no poses for {media_path}{other}. Give them with {option} (OpenPose JSON, JSONL or .npz), "
        f"put them next to it as {stem}.poses.npz or {stem}.poses.json, "
        "name a pose model with --pose-model (RTMPose, DWPose, ViTPose or YOLO pose, as .onnx), "
        f"or have them estimated by MediaPipe's networks, which come with: {FETCH_COMMAND}"
    )


def _of_model(path: Path, channel_order: Literal["rgb", "bgr"], min_score: float | None) -> PoseSource:
    if path.suffix.lower() in ENDINGS:
        return MediaPipePoses(path, min_score)
    return ModelPoses(PoseModel(path, channel_order, min_score), str(path))
