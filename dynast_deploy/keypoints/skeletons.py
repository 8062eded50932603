"""Other skeletons, brought to OpenPose's 18 keypoints."""

from __future__ import annotations

import numpy as np

from dynast_deploy.errors import DynastError

NECK = 1

COCO17_ORDER = (0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)  # the neck's entry is replaced
BODY25_ORDER = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
HALPE_ORDER = (0, 18, *COCO17_ORDER[2:])
COCO17_SHOULDERS = (5, 6)

SKELETONS = {
    17: "COCO-17",
    18: "OpenPose's COCO-18",
    25: "BODY_25",
    26: "Halpe-26",
    133: "COCO-WholeBody-133",
    136: "Halpe-136",
}
"""Number of keypoints to the skeleton that has as many."""

KNOWN_SKELETONS = ", ".join(f"{size} ({name})" for size, name in SKELETONS.items())
"""The same in words, for messages."""


def to_openpose18(points: np.ndarray) -> np.ndarray:
    """Keypoints of any known skeleton, float [..., K, 3] (x, y, score), as float64 [..., 18, 3].

    K is 17 (COCO), 18 (OpenPose's COCO model), 25 (OpenPose's BODY_25), 26 or 136 (Halpe, COCO's 17 first, with a neck)
    or 133 (COCO-WholeBody, whose first 17 are COCO's). COCO has no neck: it lies half-way between the shoulders, scores
    as the less sure one, and is missing (0, 0, 0) where one of them is.

    Raises:
        DynastError: For any other K.
    """
    count = points.shape[-2]
    if count == 18:
        return points.astype(np.float64)
    if count == 25:
        return points[..., BODY25_ORDER, :].astype(np.float64)
    if count in (26, 136):
        return points[..., HALPE_ORDER, :].astype(np.float64)
    if count not in SKELETONS:
        raise DynastError(f"{count} keypoints are not a known skeleton; known are {KNOWN_SKELETONS}")
    pose = points[..., COCO17_ORDER, :].astype(np.float64)
    shoulders = points[..., COCO17_SHOULDERS, :]
    neck = np.asarray(shoulders.mean(axis=-2))
    neck[..., 2] = shoulders[..., 2].min(axis=-1)
    neck[~(neck[..., 2] > 0)] = 0
    pose[..., NECK, :] = neck
    return pose
