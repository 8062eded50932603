"""Keypoints: formats, readers, people, pose models.

Everywhere in memory a pose is float32 [18, 3] in OpenPose's COCO order: x, y, score, and (NaN, NaN, 0) for a
keypoint that was not seen.
"""

from dynast_deploy.keypoints.files import find_sidecar, read_poses, write_poses
from dynast_deploy.keypoints.pose_file import poses_beside
from dynast_deploy.keypoints.poses import KEYPOINT_NAMES, Poses, no_person
from dynast_deploy.keypoints.sources import PoseSource, resolve_poses

__all__ = [
    "KEYPOINT_NAMES",
    "PoseSource",
    "Poses",
    "find_sidecar",
    "no_person",
    "poses_beside",
    "read_poses",
    "resolve_poses",
    "write_poses",
]
