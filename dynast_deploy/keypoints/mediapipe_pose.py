"""Poses from MediaPipe's networks (BlazePose), run by ONNX Runtime: one person, followed from frame to frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dynast_deploy.keypoints.detector import Detection, Detector
from dynast_deploy.keypoints.mediapipe_models import MediaPipeNetwork, open_network
from dynast_deploy.keypoints.poses import canonical, no_person
from dynast_deploy.keypoints.regions import Region
from dynast_deploy.keypoints.smoothing import OneEuro
from dynast_deploy.size import Size

POSE_NETWORKS = (MediaPipeNetwork.POSE_DETECTOR, MediaPipeNetwork.POSE_LANDMARKS)
MIN_VISIBILITY = 0.5
MIN_PRESENCE = 0.5
"""Below this the landmark network says that no person is in its square."""
VISIBILITY_STEP = 0.1
"""How far a landmark's visibility goes from one frame's value to the next one's; keeps limbs from flickering."""
STRIDES = (8, 16, 32, 32, 32)
REGION_SCALE = 1.25
LANDMARKS = (0, 11, 12, 14, 16, 11, 13, 15, 24, 26, 28, 23, 25, 27, 5, 2, 8, 7)
"""MediaPipe's landmark for each of OpenPose's keypoints; the neck's entry is replaced."""
NECK, SHOULDERS = 1, (11, 12)
BODY, WITH_REGION = 33, 35
"""The first 33 of the network's 39 landmarks are the body's, the next two say where its square lies."""
HEATMAP_REACH = 3
"""Cells of the heatmap around a landmark, on either side, that make it finer."""


class MediaPipePose:
    """Made for the frames of a video in their order: it follows the person, and smooths.

    The network's confidence is called visibility, as in MediaPipe; keypoints below `min_score`, and those that it
    guesses outside the picture, count as not seen.
    """

    def __init__(self, models: Path, min_score: float | None = None) -> None:
        """Load the networks in `models`, a bundle, wheel or folder of MediaPipe's; `min_score` is 0.5 by default.

        Raises:
            DynastError: Where they cannot be read or ONNX Runtime is missing.
        """
        self._min_score = MIN_VISIBILITY if min_score is None else min_score
        self._detect = Detector(open_network(models, MediaPipeNetwork.POSE_DETECTOR), STRIDES)
        self._landmarks = open_network(models, MediaPipeNetwork.POSE_LANDMARKS)
        self.restart()

    def restart(self) -> None:
        """The next picture has nothing to do with those before."""
        self._region: Region | None = None
        self._smooth = OneEuro(0.05, 80.0)
        self._smooth_region = OneEuro(0.01, 10.0)
        self._visibility: np.ndarray | None = None

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The pose in the next frame: uint8 [H, W, 3] in RGB to float32 [18, 3] in pixels.

        Raises:
            DynastError: Where the networks give something else than MediaPipe's do.
        """
        found = self._look(picture, self._region) if self._region is not None else None
        if found is None:
            self.restart()
            people = self._detect(picture)
            if people:
                largest = max(people, key=lambda person: region_of(person).side)
                self._region = region_of(largest)
                found = self._look(picture, self._region)
        if found is None or self._region is None:
            self.restart()
            return no_person()
        size = self._region.side
        points = np.column_stack([self._smooth(found[:BODY, :2], size), self._steady(found[:BODY, 2])])
        hips, end = self._smooth_region(found[BODY:, :2], size)
        self._region = region_between(hips, end)
        return openpose18_of_landmarks(points, Size.of(picture), self._min_score)

    def _look(self, picture: np.ndarray, region: Region) -> np.ndarray | None:
        """Float64 [35, 3]: x, y in pixels of the picture, visibility of the person in `region`; None without one."""
        network = self._landmarks
        outputs = network(region.crop(picture, network.size) / np.float32(255))
        presence = network.pick(outputs, lambda each: each.size == 1)
        heatmaps = network.pick(outputs, lambda each: each.ndim == 4 and each.shape[3] >= WITH_REGION)[0]
        raw = network.pick(
            outputs, lambda each: each.ndim == 2 and each.size % 5 == 0 and each.size >= 5 * WITH_REGION
        )
        if presence.item() < MIN_PRESENCE:
            return None
        landmarks = raw.reshape(-1, 5)[:WITH_REGION].astype(np.float64)
        places = refined(landmarks[:, :2] / network.size, heatmaps)
        visibility = 1 / (1 + np.exp(-landmarks[:, 3]))
        return np.column_stack([region.to_picture(places), visibility])

    def _steady(self, visibility: np.ndarray) -> np.ndarray:
        before = visibility if self._visibility is None else self._visibility
        self._visibility = before + VISIBILITY_STEP * (visibility - before)
        return self._visibility


def region_between(hips: np.ndarray, end: np.ndarray) -> Region:
    """The square around a person, from the middle of the hips and a point on the circle around the whole body.

    Both are [2]: x and y.
    """
    across, up = end[0] - hips[0], hips[1] - end[1]
    return Region(
        hips, 2 * REGION_SCALE * float(np.hypot(across, up)), float(np.pi / 2 - np.arctan2(up, across))
    )


def region_of(person: Detection) -> Region:
    """The square around a person that was detected."""
    return region_between(person.points[0], person.points[1])


def refined(places: np.ndarray, heatmaps: np.ndarray) -> np.ndarray:
    """Landmarks [K, 2] in 0..1, moved to the centre of mass of their heatmaps nearby.

    `heatmaps` is float [h, w, K] before a sigmoid, with as many maps or more.
    """
    height, width = heatmaps.shape[:2]
    moved = places.copy()
    for index, (x, y) in enumerate(places):
        column, row = int(x * width), int(y * height)
        if not (0 <= column < width and 0 <= row < height):
            continue
        left, top = max(0, column - HEATMAP_REACH), max(0, row - HEATMAP_REACH)
        near = heatmaps[top : row + HEATMAP_REACH + 1, left : column + HEATMAP_REACH + 1, index]
        mass = 1 / (1 + np.exp(-near.astype(np.float64)))
        if mass.max() < MIN_PRESENCE:
            continue
        rows, columns = np.mgrid[top : top + near.shape[0], left : left + near.shape[1]]
        moved[index] = (mass * columns).sum() / width / mass.sum(), (mass * rows).sum() / height / mass.sum()
    return moved


def openpose18_of_landmarks(
    points: np.ndarray, picture_size: Size, min_score: float = MIN_VISIBILITY
) -> np.ndarray:
    """MediaPipe's 33 landmarks, float [33, 3] (x, y in pixels, visibility), as float32 [18, 3].

    The neck lies between the shoulders and is as visible as the less visible one. Landmarks that are less visible than
    `min_score`, or outside the picture, are not seen.
    """
    pose = points[list(LANDMARKS)].astype(np.float64)
    shoulders = points[list(SHOULDERS)]
    pose[NECK] = (*shoulders[:, :2].mean(axis=0), shoulders[:, 2].min())
    inside = ((pose[:, :2] >= 0) & (pose[:, :2] < picture_size.width_height)).all(axis=1)
    pose[(pose[:, 2] < min_score) | ~inside] = 0
    return canonical(pose)
