"""MediaPipe's detectors (BlazeFace; Bazarevsky et al., 2019): boxes and a few points of everybody in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dynast_deploy.keypoints.mediapipe_models import OpenNetwork
from dynast_deploy.keypoints.regions import letterboxed

MIN_SCORE = 0.5
MIN_OVERLAP = 0.3
"""Boxes that overlap more are the same person's, and are averaged by score."""
SCORE_LIMIT = 100.0
"""Scores are clipped to this before the sigmoid."""


@dataclass(frozen=True)
class Detection:
    """score in 0..1; box: `[4]`, left, top, right, bottom; points: `[K, 2]`; pixels of the picture."""

    score: float
    box: np.ndarray
    points: np.ndarray


class Detector:
    """One detector network, square input `[1, size, size, 3]` in -1..1, outputs boxes with points, and scores."""

    def __init__(self, network: OpenNetwork, strides: Sequence[int]) -> None:
        """`strides`: pixels between the anchors of each of its layers, which have two at each place."""
        self._network = network
        self._anchors = anchors(network.size, strides)

    def __call__(self, picture: np.ndarray) -> list[Detection]:
        """Everybody in uint8 `[H, W, 3]` RGB who scores 0.5 or more, the surest first."""
        square, region = letterboxed(picture, self._network.size)
        outputs = self._network(square / np.float32(127.5) - 1)
        count = len(self._anchors)
        raw = self._network.pick(
            outputs, lambda each: each.ndim == 3 and each.shape[1] == count and each.shape[2] >= 8
        )
        logits = self._network.pick(outputs, lambda each: each.shape == (1, count, 1))[0, :, 0]
        scores = 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -SCORE_LIMIT, SCORE_LIMIT)))
        kept = scores >= MIN_SCORE
        rows, scores = raw[0][kept].astype(np.float64) / self._network.size, scores[kept]
        centres = rows[:, :2] + self._anchors[kept]
        points = rows[:, 4:].reshape(len(rows), rows[:, 4:].shape[1] // 2, 2) + self._anchors[kept][:, None]
        corners = np.stack([centres - rows[:, 2:4] / 2, centres + rows[:, 2:4] / 2], axis=1)
        found = np.concatenate([corners, points], axis=1)
        return [
            Detection(score, region.to_picture(places[:2]).ravel(), region.to_picture(places[2:]))
            for score, places in merged(scores, found)
        ]


def anchors(size: int, strides: Sequence[int]) -> np.ndarray:
    """Float64 `[A, 2]`: x and y in 0..1 of every anchor, layers of the same stride taken together."""
    found = []
    for stride in dict.fromkeys(strides):
        count = -(-size // stride)
        places = (np.arange(count) + 0.5) / count
        grid = np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)
        found.append(np.repeat(grid, 2 * list(strides).count(stride), axis=0))
    return np.concatenate(found)


def merged(scores: np.ndarray, places: np.ndarray) -> list[tuple[float, np.ndarray]]:
    """People from candidates, the surest first: those who overlap are averaged, weighted by score.

    `places` is float `[A, 2 + K, 2]`: top left and bottom right corner of the box, then points.
    """
    people = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        same = overlaps(places[left[0], :2], places[left, :2]) > MIN_OVERLAP
        same[0] = True
        people.append(
            (float(scores[left[0]]), np.average(places[left[same]], axis=0, weights=scores[left[same]]))
        )
        left = left[~same]
    return people


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union `[A]` of one box `[2, 2]` (corners) with several `[A, 2, 2]`."""
    shared = np.prod(
        np.clip(np.minimum(box[1], boxes[:, 1]) - np.maximum(box[0], boxes[:, 0]), 0, None), axis=1
    )
    whole = np.prod(box[1] - box[0]) + np.prod(boxes[:, 1] - boxes[:, 0], axis=1) - shared
    shares: np.ndarray = shared / np.maximum(whole, np.finfo(np.float64).tiny)
    return shares
