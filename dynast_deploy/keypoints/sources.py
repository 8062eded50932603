"""Where poses come from: a file that the user names, one beside the video, the user's model, or MediaPipe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.frame_source import FrameSource, Words
from dynast_deploy.keypoints.files import find_sidecar, read_poses
from dynast_deploy.keypoints.mediapipe_pose import MediaPipePose, mediapipe_is_installed
from dynast_deploy.keypoints.pose_model import PoseModel
from dynast_deploy.keypoints.poses import Poses, is_seen


class PoseSource(FrameSource):
    """The poses of one picture or video."""

    words = Words("poses", "poses", "keypoints", "nobody", "the pose", "an empty stage")

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        """Float32 [18, 3] in pixels of `picture`, uint8 [H, W, 3] in RGB: frame `frame_index`, from 0."""
        raise NotImplementedError


class FilePoses(PoseSource):
    """Poses of a file or folder, scaled where it states another picture size."""

    frames: int

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.poses = read_poses(path)
        self.origin, self.frames = str(path), len(self.poses)

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        self.check_frame(frame_index)
        here = Poses(self.poses.keypoints[frame_index : frame_index + 1], self.poses.picture_size)
        return here.scaled_to((picture.shape[1], picture.shape[0])).keypoints[0]


class ModelPoses(PoseSource):
    """Poses from the user's own model, which follows one person."""

    def __init__(self, model: PoseModel, origin: str) -> None:
        self.origin = origin
        self._model = model
        self._last_seen: np.ndarray | None = None

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        pose = self._model(picture, self._last_seen)
        if is_seen(pose).any():
            self._last_seen = pose
        return pose


class MediaPipePoses(PoseSource):
    """Poses from MediaPipe, which follows one person."""

    def __init__(self) -> None:
        self.origin = "MediaPipe"
        self._tracker = MediaPipePose()

    def pose(self, frame_index: int, picture: np.ndarray) -> np.ndarray:
        return self._tracker(picture)

    def close(self) -> None:
        self._tracker.close()


def resolve_poses(
    media_path: str | os.PathLike[str],
    poses_path: str | os.PathLike[str] | None = None,
    model_path: str | os.PathLike[str] | None = None,
    channel_order: Literal["rgb", "bgr"] = "rgb",
    option: str = "--poses",
) -> PoseSource:
    """The source of poses for a picture or video: the first of these that there is.

    Args:
        media_path: The picture or video; a file of poses beside it is found by its name (`find_sidecar`).
        poses_path: The file or folder that the user named.
        model_path: The user's own pose model in ONNX, which takes its channels in `channel_order`.
        option: The command-line option that sets `poses_path`, for the error.

    Order: `poses_path`, the file beside the video, `model_path`, MediaPipe where it is installed. Raises a
    DynastError that lists the four where there is none of them.
    """
    if poses_path is not None:
        return FilePoses(poses_path)
    sidecar = find_sidecar(media_path)
    if sidecar is not None:
        return FilePoses(sidecar)
    if model_path is not None:
        return ModelPoses(PoseModel(model_path, channel_order), str(model_path))
    if mediapipe_is_installed():
        return MediaPipePoses()
    stem = Path(media_path).stem
    raise DynastError(
        f"no poses for {media_path}. Give them with {option} (OpenPose JSON, JSONL or .npz), "
        f"put them beside it as {stem}.poses.npz or {stem}.poses.json, "
        "name a pose model with --pose-model (RTMPose, DWPose, ViTPose or YOLO pose, as .onnx), "
        "or have them estimated by MediaPipe: pip install 'dynast-deploy[pose]'"
    )
