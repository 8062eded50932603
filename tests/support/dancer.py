"""A made-up person in OpenPose's 18 keypoints."""

from __future__ import annotations

import numpy as np


def dancer(at: float = 100) -> np.ndarray:
    """Float64 [18, 3] whose neck lies between the shoulders, so that COCO's points tell all of them."""
    rng = np.random.default_rng(3)
    points = np.column_stack([at + 60 * rng.random((18, 2)), np.full(18, 0.75)])
    points[1] = (points[2] + points[5]) / 2
    return points
