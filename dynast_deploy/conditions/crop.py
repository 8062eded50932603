"""Following one person with a steady box, so that they are as large as in the pictures a network was trained on.

A box has the shape of the network's picture. The wanted box of a pose places it as training does: in the marionette's
pictures keypoints span 0.72 of the height (0.68 to 0.80), and their middle lies at 0.53 from the top. What is used is
smoothed, so that the box neither shakes with the keypoints nor jumps when an arm goes up.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from dynast_deploy.keypoints.people import person_box
from dynast_deploy.keypoints.poses import is_seen
from dynast_deploy.keypoints.smoothing import OneEuro
from dynast_deploy.size import Size

HEIGHT_SHARE = 0.74
"""Height of the keypoints' box, as a share of the picture's."""
WIDTH_SHARE = 0.8
MIDDLE = 0.53
"""Where the middle of the keypoints lies, from the top."""

LEAST_POINTS = 3
LEAST_HEIGHT = 8.0
"""Pixels; a person who is smaller, or of whom fewer points are seen, moves no box."""
MOST_OUTSIDE = 0.5
"""Keypoints count up to this far outside the picture, as a share of its sides."""

# Frames; a video has 25 to 30 a second.
MEDIAN = 9
HOLD = 15
SMOOTH_PLACE, SMOOTH_SIZE = 8.0, 10.0
STEP = 0.1
"""The box of an estimator's poses moves at most this share of its height from frame to frame."""
GROW, SHRINK = 0.15, 0.03
"""And takes this share of what it lacks, or has too much, of its height."""


@dataclass(frozen=True)
class Box:
    """A part of a picture, in its pixels; it may reach beyond the picture."""

    left: float
    top: float
    width: float
    height: float

    def place_keypoints(self, keypoints: np.ndarray, size: Size) -> np.ndarray:
        """float32 `[18, 3]` (x, y, score) in pixels of the picture, in those of the box drawn at `size`."""
        scale = np.array([size.width / self.width, size.height / self.height, 1], np.float32)
        return ((keypoints - np.array([self.left, self.top, 0], np.float32)) * scale).astype(np.float32)

    def cut(self, picture: np.ndarray, size: Size) -> np.ndarray:
        """uint8 `[height, width, 3]` of the picture uint8 `[H, W, 3]`, at `size`; its border is repeated."""
        scale = size.width / self.width, size.height / self.height
        if max(scale) < 1:
            # Reduced first: a plain warp would skip pixels.
            smaller = cv2.resize(picture, None, fx=scale[0], fy=scale[1], interpolation=cv2.INTER_AREA)
            factor = smaller.shape[1] / picture.shape[1], smaller.shape[0] / picture.shape[0]
            part = Box(
                self.left * factor[0], self.top * factor[1], self.width * factor[0], self.height * factor[1]
            )
            return part._warped(smaller, size)
        return self._warped(picture, size)

    def _warped(self, picture: np.ndarray, size: Size) -> np.ndarray:
        across, down = size.width / self.width, size.height / self.height
        # Pixels lie at half numbers of these coordinates, and at whole ones of OpenCV's.
        matrix = np.array(
            [
                [across, 0, (0.5 - self.left) * across - 0.5],
                [0, down, (0.5 - self.top) * down - 0.5],
            ]
        )
        return cv2.warpAffine(
            picture, matrix, size.width_height, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )


def wanted(pose: np.ndarray, picture_size: Size, aspect: float) -> np.ndarray | None:
    """Centre x, y and height of the box for one pose, float64 `[3]`; None where too little of the person is seen.

    Args:
        pose: Canonical float32 `[18, 3]` in pixels.
        picture_size: The picture's.
        aspect: Width of the box for each unit of its height.
    """
    seen = is_seen(pose)
    if seen.sum() < LEAST_POINTS:
        return None
    sides = np.array(picture_size.width_height, np.float64)
    low, high = person_box(pose.astype(np.float64))
    low, high = np.clip((low, high), -MOST_OUTSIDE * sides, (1 + MOST_OUTSIDE) * sides)
    height = max((high - low)[1] / HEIGHT_SHARE, (high - low)[0] / (WIDTH_SHARE * aspect))
    if height < LEAST_HEIGHT:
        return None
    middle = (low + high) / 2
    return np.array([middle[0], middle[1] + (0.5 - MIDDLE) * height, height])


def whole(picture_size: Size, aspect: float) -> np.ndarray:
    """The smallest box around the whole picture, as `wanted` gives it. `aspect` is width divided by height."""
    height, width = picture_size
    return np.array([width / 2, height / 2, max(height, width / aspect)])


def box_of(place: np.ndarray, aspect: float) -> Box:
    """The box of a centre and a height.

    `place` `[3]`: x, y and height in pixels; `aspect`: width divided by height.
    """
    x, y, height = (float(each) for each in place)
    return Box(x - height * aspect / 2, y - height / 2, height * aspect, height)


class BoxFollower:
    """Boxes frame by frame, from the frames so far: for poses that are estimated as the video is read."""

    def __init__(self, picture_size: Size, aspect: float) -> None:
        """`aspect` is the box's width for each unit of its height."""
        self._picture_size, self._aspect = picture_size, aspect
        self._place: np.ndarray | None = None
        self._last: deque[np.ndarray] = deque(maxlen=MEDIAN)

    def box(self, pose: np.ndarray) -> Box:
        """The box for the next frame, in which `pose` float32 `[18, 3]` was detected, or no person: then it stays."""
        place = wanted(pose, self._picture_size, self._aspect)
        if place is not None:
            self._last.append(place)
            last = np.stack(self._last)
            # A wrong pose in one frame does not move it.
            place = np.array([*np.median(last[-3:, :2], axis=0), np.median(last[:, 2])])
            if self._place is None or np.hypot(*(place - self._place)[:2]) > self._place[2]:
                # The first, or a cut: the person is outside the box at once.
                self._last.clear()
                self._last.append(last[-1])
                self._smooth, self._place = OneEuro(0.3, 8.0), last[-1]
                self._smooth(self._place[:2], self._place[2])
            else:
                before = self._place
                step = self._smooth(place[:2], before[2]) - before[:2]
                step *= min(1.0, STEP * before[2] / max(float(np.hypot(*step)), 1e-9))
                lacking = place[2] - before[2]
                growth = np.clip(lacking * (GROW if lacking > 0 else SHRINK), -np.inf, STEP * before[2])
                self._place = before + np.array([*step, growth])
        if self._place is None:
            return box_of(whole(self._picture_size, self._aspect), self._aspect)
        return box_of(self._place, self._aspect)


def steady_boxes(poses: np.ndarray, picture_size: Size, aspect: float) -> list[Box]:
    """A box for each frame of a video whose poses are all known, float32 `[T, 18, 3]`, looking ahead.

    Frames without a person keep the box before, those at the beginning have that of the first person.
    """
    places = [wanted(pose, picture_size, aspect) for pose in poses]
    known = [place for place in places if place is not None]
    held = known[0] if known else whole(picture_size, aspect)
    filled = []
    for place in places:
        held = held if place is None else place
        filled.append(held)
    track = np.stack(filled)
    for column in range(3):
        track[:, column] = _running(track[:, column], MEDIAN // 2, np.median)
    steps = np.hypot(*np.diff(track[:, :2], axis=0).T)
    cuts = np.flatnonzero(steps > track[:-1, 2]) + 1
    smooth = []
    for part in np.split(track, cuts):
        height = _blurred(_running(part[:, 2], min(HOLD, len(part) - 1), np.max), SMOOTH_SIZE)
        smooth.append(
            np.column_stack([_blurred(part[:, 0], SMOOTH_PLACE), _blurred(part[:, 1], SMOOTH_PLACE), height])
        )
    return [box_of(place, aspect) for place in np.concatenate(smooth)]


def _running(values: np.ndarray, reach: int, choose: Callable[..., np.ndarray]) -> np.ndarray:
    """`np.median` or `np.max` of each value and the `reach` before and after it."""
    windows = np.lib.stride_tricks.sliding_window_view(_continued(values, reach), 2 * reach + 1)
    return choose(windows, axis=1)


def _blurred(values: np.ndarray, deviation: float) -> np.ndarray:
    """Values under a Gaussian of this standard deviation."""
    reach = round(3 * deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / deviation) ** 2)
    return np.convolve(_continued(values, reach), weights / weights.sum(), "valid")


def _continued(values: np.ndarray, reach: int) -> np.ndarray:
    """Values with `reach` more on either side, which go on at the slope they begin and end with."""
    if len(values) == 1:
        return np.pad(values, reach, "edge")
    return np.pad(values, reach, "reflect", reflect_type="odd")
