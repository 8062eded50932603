"""What pose models put out, read as people: SimCC and heatmaps of one person in a crop, YOLO's and MoveNet's
rows of the people in a picture.

Plain numpy on a model's outputs; `pose_model` runs the model. All results are float64 [..., K, 3]: x, y,
score.
"""

from __future__ import annotations

import numpy as np

from dynast_deploy.size import Size

YOLO_KEYPOINTS = 17
YOLO_ROW = 4 + 1 + 3 * YOLO_KEYPOINTS
"""Numbers of a candidate: box centre and size, score of the person, then x, y, score of COCO's keypoints."""
YOLO_FILTERED_ROW = YOLO_ROW + 1
"""The same after suppression inside the model: box corners, score, class, keypoints."""

PERSON_SCORE = 0.25
SAME_PERSON_OVERLAP = 0.7


def simcc_keypoints(simcc_x: np.ndarray, simcc_y: np.ndarray, input_size: Size) -> np.ndarray:
    """Keypoints in pixels of the model's input from SimCC vectors (RTMPose; Li et al., ECCV 2022).

    Args:
        simcc_x, simcc_y: float [K, bins of x], [K, bins of y]; RTMPose has two bins a pixel.
        input_size: Size of the model's input.

    The score is the lower one of the two highest bins; a keypoint scoring 0 or less is (0, 0, 0).
    """
    places = np.stack([simcc_x.argmax(axis=1), simcc_y.argmax(axis=1)], axis=1).astype(np.float64)
    places *= np.array(input_size.width_height) / (simcc_x.shape[1], simcc_y.shape[1])
    return _scored(places, np.minimum(simcc_x.max(axis=1), simcc_y.max(axis=1)))


def heatmap_keypoints(heatmaps: np.ndarray, input_size: Size) -> np.ndarray:
    """Keypoints in pixels of the model's input from heatmaps, float [K, h, w] (ViTPose, HRNet).

    The highest cell, moved a quarter of a cell towards its higher neighbour, as these models' own evaluation
    does.
    """
    count, height, width = heatmaps.shape
    rows, columns = np.divmod(heatmaps.reshape(count, -1).argmax(axis=1), width)
    every = np.arange(count)
    places = np.stack([columns, rows], axis=1).astype(np.float64)
    padded = np.pad(heatmaps, ((0, 0), (1, 1), (1, 1)), "edge").astype(np.float64)
    right, left = padded[every, rows + 1, columns + 2], padded[every, rows + 1, columns]
    below, above = padded[every, rows + 2, columns + 1], padded[every, rows, columns + 1]
    inside = (columns > 0) & (columns < width - 1) & (rows > 0) & (rows < height - 1)
    places += 0.25 * np.sign(np.stack([right - left, below - above], axis=1)) * inside[:, None]
    places *= np.array(input_size.width_height) / (width, height)
    return _scored(places, heatmaps[every, rows, columns])


def yolo_keypoints(output: np.ndarray) -> np.ndarray:
    """People in pixels of the model's input, [P, 17, 3], the surest first, from the output of a YOLO pose
    model.

    Args:
        output: float [56, candidates], [candidates, 56] (boxes as centre and size) or [candidates, 57]
            (suppressed inside the model: corners, score, class), as Ultralytics exports them.

    People below a score of 0.25, and boxes that overlap a surer one by more than 0.7, are dropped.
    """
    filtered = output.shape[1] == YOLO_FILTERED_ROW
    rows = output if filtered or output.shape[1] == YOLO_ROW else output.T
    rows = rows[rows[:, 4] >= PERSON_SCORE].astype(np.float64)
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    people = rows[:, -3 * YOLO_KEYPOINTS :].reshape(-1, YOLO_KEYPOINTS, 3)
    if filtered:
        return people
    boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, :2] + rows[:, 2:4] / 2], axis=1)
    return people[_surest_boxes(boxes)]


def movenet_keypoints(output: np.ndarray, input_size: Size) -> np.ndarray:
    """People in pixels of the model's input, [P, 17, 3], from MoveNet's output (Votel and Li, 2021).

    Args:
        output: float [1, 17, 3], y, x and score of one person, or [6, 56], the same of six and then box and score
            of each; places are fractions of the input.
        input_size: Size of the model's input.

    People below a score of 0.25 are dropped where the model scores them.
    """
    rows = output.reshape(len(output), -1).astype(np.float64)
    if rows.shape[1] == YOLO_ROW:
        rows = rows[rows[:, -1] >= PERSON_SCORE]
    people = rows[:, : 3 * YOLO_KEYPOINTS].reshape(-1, YOLO_KEYPOINTS, 3)[..., (1, 0, 2)]
    people[..., :2] *= input_size.width_height
    return people


def _surest_boxes(boxes: np.ndarray) -> list[int]:
    """Indices of the boxes (left, top, right, bottom), sorted by score, that no kept one before them
    covers."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    kept: list[int] = []
    for index, box in enumerate(boxes):
        low, high = np.maximum(boxes[kept, :2], box[:2]), np.minimum(boxes[kept, 2:], box[2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        if not (shared > SAME_PERSON_OVERLAP * (areas[kept] + areas[index] - shared)).any():
            kept.append(index)
    return kept


def _scored(places: np.ndarray, scores: np.ndarray) -> np.ndarray:
    keypoints = np.concatenate([places, scores[:, None]], axis=1)
    keypoints[~(scores > 0)] = 0
    return keypoints
