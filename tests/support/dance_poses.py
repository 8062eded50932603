"""Poses of the example video, and files of them in OpenPose's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from checkout import EXAMPLES

from dynast_deploy.keypoints import read_poses
from dynast_deploy.size import Size

DANCE = read_poses(EXAMPLES / "dance.poses.npz").keypoints


SIZE = Size(256, 256)


def document(pose: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"people": [{"pose_keypoints_2d": np.nan_to_num(pose).astype(float).ravel().tolist()}], **more}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def folder_of(folder: Path, poses: dict[str, np.ndarray]) -> Path:
    for name, pose in poses.items():
        write(folder / f"{name}.json", document(pose))
    return folder
