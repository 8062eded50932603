"""Which pixels coordinates are in: the picture's, those of a stated canvas, or fractions; else they are refused."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.poses import RELATIVE, is_seen
from dynast_deploy.size import Size

RELATIVE_LIMIT = 2.0
"""Coordinates all nearer to 0 than this are fractions of the picture. Not 1: estimators place keypoints
a little outside the picture, and no person is two pixels large."""

SAMPLED = 20_000
"""Poses, evenly spread, that are looked at in a longer file."""

MULTIPLE = 64
"""Pose annotators of image generators reduce pictures to sides of a multiple of this many pixels."""

FAR_OUTSIDE = -0.1
"""A fraction below this lies outside by a tenth of the picture: rare unless fractions go from -1 to 1."""


def sampled_points(people: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """Float32 [N, 3]: x, y, score of what is seen in canonical arrays [P, 18, 3] or [18, 3], of an even sample."""
    step = max(1, len(people) // SAMPLED)
    seen = [each[is_seen(each)] for each in people[::step]]
    return np.concatenate(seen) if seen else np.empty((0, 3), np.float32)


def are_fractions(people: Sequence[np.ndarray], origin: str) -> bool:
    """Whether coordinates are fractions of the picture. `people` has an array [..., 3] for each frame: x, y, score.

    Raises:
        DynastError: Where they go from -1 to 1.
    """
    largest = max(
        (float(np.nanmax(np.abs(each[..., :2]), initial=0)) for each in people if each.size), default=0
    )
    points = sampled_points(people)
    if not len(points) or not largest < RELATIVE_LIMIT:
        return False
    if (points[:, :2] < FAR_OUTSIDE).any(axis=1).mean() > 0.05:
        raise DynastError(
            f"{origin}: coordinates from -1 to 1; pixels or fractions from 0 to 1 are read (OpenPose: leave "
            "--keypoint_scale out, or set it to 3)"
        )
    return True


def check_canvas(canvas: Size, picture_size: Size, origin: str) -> None:
    """Compare the proportions of a stated canvas with the picture's.

    They may differ by the rounding of a side: to a pixel, or where the canvas has sides of a multiple of 64, to that.

    Raises:
        DynastError: Where they differ.
    """
    if canvas == RELATIVE:
        return
    (height, width), (full_height, full_width) = canvas, picture_size
    slack = MULTIPLE / 2 if width % MULTIPLE == 0 == height % MULTIPLE else 1
    fits_height = abs(full_height * width / full_width - height) <= slack
    fits_width = abs(full_width * height / full_height - width) <= slack
    if not (fits_height or fits_width):
        turned = ", which is turned" if (width > height) != (full_width > full_height) else ""
        raise DynastError(
            f"{origin} states a canvas of {width}x{height}, and the picture is {full_width}x{full_height}{turned}: "
            "keypoints must be of the same picture, in any size of the same proportions"
        )


def check_inside(points: np.ndarray, picture_size: Size, origin: str) -> None:
    """Look whether points, float [N, 3] in pixels (x, y, score), can belong to a picture of this size.

    They count by their scores: estimators place what they do not see of a person beyond the picture's border. So do
    those of a picture that was turned: a quarter of them is enough if they all fit the turned one.

    Raises:
        DynastError: Where most of them lie outside it.
    """
    if not len(points):
        return
    height, width = picture_size
    outside = _outside(points, width, height)
    turned = width != height and outside > 0.25 and _outside(points, height, width) < 0.01
    if outside > 0.5 or turned:
        x, y = np.abs(points[:, :2]).max(axis=0)
        reason = "turned, or in another size" if turned else "in another size"
        raise DynastError(
            f"{origin}: {outside:.0%} of the keypoints lie outside the picture of {width}x{height} (they reach to "
            f"{x:.0f}, {y:.0f}): they were taken from the picture {reason}; take them from this one, or state their "
            "canvas"
        )


def _outside(points: np.ndarray, width: int, height: int) -> float:
    """Share of the points that lie outside a picture, by their scores."""
    outside = ((points[:, :2] < 0) | (points[:, :2] > (width, height))).any(axis=1)
    return float(np.average(outside, weights=np.minimum(points[:, 2], 1)))
