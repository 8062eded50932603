"""The pose condition: a drawing of the skeleton and one distance map for each limb.

The published data preparation draws on a canvas of the picture's own size and resizes after that; so does
this, to the last bit. What differs is where the work is done: in each limb's box instead of on the whole
canvas.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from dynast_deploy.conditions.distance import FAR, PixelBox, write_distance_map
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.poses import KEYPOINT_NAMES
from dynast_deploy.size import AnySize, Size, checked_picture_size, checked_size

# fmt: off
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10),
    (1, 11), (11, 12), (12, 13), (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)
"""The 17 limbs as pairs of keypoints, in the order in which they are drawn and their maps are stacked."""

COLOURS = (
    (255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0),
    (0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255),
    (170, 0, 255), (255, 0, 255), (255, 0, 170), (255, 0, 85),
)
"""Colour of each keypoint, and of the limb of the same number; drawn as BGR."""
# fmt: on

POSE_CHANNELS = 3 + len(LIMBS)
RADIUS = 4  # of a keypoint's disc, and half the width of a limb
MAX_COORDINATE = 1e6  # far beyond any picture, and OpenCV's integers do not overflow


def pose_condition(keypoints: np.ndarray, image_size: tuple[int, int], size: AnySize = 256) -> np.ndarray:
    """The 20 channels that the network sees of one pose.

    Args:
        keypoints: float [18, 2] or [18, 3], OpenPose-18 order: x, y in pixels of the picture, origin in its
            top left corner, and a score. A keypoint with NaN in x or y, or with score 0, was not seen.
            Keypoints outside the picture are drawn as far as they reach into it.
        image_size: (width, height) of the picture that the keypoints belong to.
        size: Size of the condition: an integer for a square, or (height, width). A picture of another shape
            is stretched, as in training.

    Returns:
        uint8 [20, H, W], 0..255 for the network's 0..1: the drawing as RGB, then each limb's distance map
        (city-block pixels of the picture divided by 3; 255 where the limb was not seen).

    Sticks are 8 pixels wide in the picture, so they are thinner in a large picture than in a small one; a
    model trained on 256x256 pictures may like `pose_condition(keypoints * scale, (256, 256))` better.

    Raises:
        DynastError: For keypoints or sizes that cannot be meant.
    """
    points = _seen_points(keypoints)
    whole_size, target = checked_picture_size(image_size), checked_size(size)

    drawing = np.zeros((*whole_size, 3), np.uint8)
    for point, colour in zip(points, COLOURS, strict=True):
        if point is not None:
            cv2.circle(drawing, (int(point[0]), int(point[1])), RADIUS, colour, thickness=-1)
    condition = np.empty((POSE_CHANNELS, *target), np.uint8)
    same_size = whole_size == target
    # Of a large picture one map at a time is in memory.
    whole = np.empty(whole_size, np.uint8)
    for (start, end), colour, distances in zip(LIMBS, COLOURS, condition[3:], strict=False):
        _draw_limb(points[start], points[end], colour, drawing, distances if same_size else whole)
        if not same_size:
            distances[...] = _resized(whole, target, Image.Resampling.BILINEAR)
    if not same_size:
        drawing = _resized(drawing, target, Image.Resampling.NEAREST)
    condition[:3] = drawing[:, :, ::-1].transpose(2, 0, 1)
    return condition


def _seen_points(keypoints: np.ndarray) -> list[tuple[float, float] | None]:
    points = np.asarray(keypoints)
    if points.dtype.kind not in "fiu" or list(points.shape) not in ([18, 2], [18, 3]):
        raise DynastError(
            f"keypoints are {points.dtype} {list(points.shape)}; a pose is numbers [18, 2] or [18, 3], "
            "in OpenPose's order"
        )
    seen = ~np.isnan(points[:, :2]).any(axis=1)
    if points.shape[1] == 3:
        # A score of NaN says nothing about the place, so only a stated 0 hides the point.
        seen &= ~(points[:, 2] <= 0)
    far = seen & (np.abs(points[:, :2]) > MAX_COORDINATE).any(axis=1)
    if far.any():
        which = int(far.argmax())
        x, y = points[which, :2]
        raise DynastError(
            f"keypoint {which} ({KEYPOINT_NAMES[which]}) lies at ({x:g}, {y:g}): not a pixel position"
        )
    return [(float(x), float(y)) if ok else None for (x, y), ok in zip(points[:, :2], seen, strict=True)]


def _draw_limb(
    start: tuple[float, float] | None,
    end: tuple[float, float] | None,
    colour: tuple[int, int, int],
    drawing: np.ndarray,
    out: np.ndarray,
) -> None:
    """Blend one limb into `drawing` [H, W, 3] and write its distance map to `out` [H, W]."""
    if start is None or end is None:
        out.fill(FAR)
        return
    outline = _limb_outline(start, end)
    height, width = out.shape
    left, top = np.maximum(outline.min(axis=0), 0)
    right, bottom = np.minimum(outline.max(axis=0) + 1, (width, height))
    if left >= right or top >= bottom:
        out.fill(FAR)
        return
    box = PixelBox(int(left), int(top), int(right), int(bottom))
    outline -= np.array([box.left, box.top], outline.dtype)

    under = drawing[box.top : box.bottom, box.left : box.right]
    over = under.copy()
    cv2.fillConvexPoly(over, outline, colour)
    under[...] = cv2.addWeighted(under, 0.4, over, 0.6, 0)

    background = np.full(box.size, 255, np.uint8)
    cv2.fillConvexPoly(background, outline, 0)
    write_distance_map(background, box, out)


def _limb_outline(start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """int32 [points, 2]: the ellipse from one keypoint to the other, in pixels."""
    (x0, y0), (x1, y1) = start, end
    # Centre, half-length and angle are cut to integers, each where the published preparation cuts them.
    centre = (int((x0 + x1) / 2), int((y0 + y1) / 2))
    half_length = int(((y0 - y1) ** 2 + (x0 - x1) ** 2) ** 0.5 / 2)
    angle = int(math.degrees(math.atan2(y0 - y1, x0 - x1)))
    return np.asarray(cv2.ellipse2Poly(centre, (half_length, RADIUS), angle, 0, 360, 1))


def _resized(picture: np.ndarray, size: Size, resample: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(picture).resize(size.width_height, resample))
