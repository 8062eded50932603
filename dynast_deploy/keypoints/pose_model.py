"""A user's own pose model as ONNX: RTMPose and DWPose, ViTPose and HRNet, YOLO pose models."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.heads import (
    YOLO_FILTERED_ROW,
    YOLO_ROW,
    heatmap_keypoints,
    simcc_keypoints,
    yolo_keypoints,
)
from dynast_deploy.keypoints.people import choose_person, person_box, person_size
from dynast_deploy.keypoints.poses import canonical, is_seen
from dynast_deploy.keypoints.skeletons import KNOWN_SKELETONS, SKELETONS, to_openpose18

MIN_SCORE = 0.3
"""Estimators place every keypoint somewhere; those scoring less than this were not seen."""

BOX_MARGIN = 1.25  # the models were trained on boxes enlarged by this
MIN_PERSON = 16.0  # pixels; a smaller one is too little to crop the next frame around
MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # ImageNet's, in RGB
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)
LETTERBOX_GREY = 114
CROP_SIZE, YOLO_SIZE = (192, 256), (640, 640)  # (width, height) where the file leaves them open


class Head(Enum):
    """Kinds of output, with the way the picture goes in."""

    SIMCC = "simcc"
    HEATMAP = "heatmap"
    YOLO = "yolo"


class PoseModel:
    """A pose model in an ONNX file, called frame by frame.

    Recognised by its outputs: `simcc_x` and `simcc_y` [N, K, bins] (RTMPose, DWPose), heatmaps [N, K, h, w]
    (ViTPose, HRNet), rows [N, 56, candidates], [N, candidates, 56] or [N, candidates, 57] (YOLO pose models
    as Ultralytics exports them). K is that of any skeleton in `SKELETONS`.

    Models of one person see a crop: the box of the person in an earlier frame, and the whole picture where
    there is none or where nobody is left in it.
    """

    def __init__(self, path: str | os.PathLike[str], channel_order: Literal["rgb", "bgr"] = "rgb") -> None:
        """Load the model on the GPU where ONNX Runtime has one, on the CPU otherwise.

        `channel_order` is that of the model's input. Raises DynastError where the file or ONNX Runtime is
        missing, or the model is none of the above.
        """
        self._path = Path(path)
        self._reverse_channels = channel_order == "bgr"
        self._session = _session(self._path)
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 4:
            raise DynastError(
                f"{path}: a pose model takes one picture [N, 3, height, width]; {_shapes(inputs)} is taken"
            )
        self._head = _recognised(self._session.get_outputs(), self._path)
        self._input_name = inputs[0].name
        self._input_type = np.float16 if inputs[0].type == "tensor(float16)" else np.float32
        height, width = inputs[0].shape[2:]
        open_size = YOLO_SIZE if self._head is Head.YOLO else CROP_SIZE
        self._size = (width, height) if isinstance(width, int) and isinstance(height, int) else open_size

    def __call__(self, picture: np.ndarray, previous: np.ndarray | None = None) -> np.ndarray:
        """The pose in one frame.

        Args:
            picture: uint8 [H, W, 3], RGB.
            previous: The pose [18, 3] in the last frame that showed the person, or None at first or after a
                cut.

        Returns:
            float32 [18, 3], pixels; keypoints scoring below 0.3 count as not seen.
        """
        if self._head is Head.YOLO:
            people = self._run_letterboxed(picture)
        else:
            people = self._run_cropped(picture, previous)
            if previous is not None and not len(people):
                people = self._run_cropped(picture, None)
        return choose_person(canonical(to_openpose18(people)), previous)

    def _run_cropped(self, picture: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
        """Float64 [1, K, 3] of the person in the crop, or [0, K, 3], in pixels of the picture."""
        width, height = self._size
        (left, top), scale = _crop(picture.shape[1], picture.shape[0], previous, width / height, width)
        matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        crop = cv2.warpAffine(picture, matrix, self._size, flags=cv2.INTER_LINEAR)
        outputs = self._run((crop - MEAN) / DEVIATION)
        if self._head is Head.SIMCC:
            keypoints = simcc_keypoints(outputs[0][0], outputs[1][0], self._size)
        else:
            keypoints = heatmap_keypoints(outputs[0][0], self._size)
        keypoints[:, :2] = keypoints[:, :2] / scale + (left, top)
        return _present(keypoints[None])

    def _run_letterboxed(self, picture: np.ndarray) -> np.ndarray:
        """Float64 [P, 17, 3] of everybody, in pixels of the picture."""
        width, height = self._size
        scale = min(width / picture.shape[1], height / picture.shape[0])
        inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        canvas = np.full((height, width, 3), LETTERBOX_GREY, np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner)
        people = yolo_keypoints(self._run(canvas / np.float32(255))[0][0])
        people[..., :2] = (people[..., :2] - (left, top)) / scale
        return _present(people)

    def _run(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The outputs for `pixels`, float [height, width, 3] in RGB, as float32; of two, x comes first."""
        if self._reverse_channels:
            pixels = pixels[..., ::-1]
        planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], self._input_type)
        names = ["simcc_x", "simcc_y"] if self._head is Head.SIMCC else None
        outputs = self._session.run(names, {self._input_name: planes})
        return [np.asarray(output, np.float32) for output in outputs]


def _present(people: np.ndarray) -> np.ndarray:
    """The people, [P, K, 3], of whom anything was seen, without the keypoints that were not."""
    people[people[..., 2] < MIN_SCORE] = 0
    return people[(people[..., 2] > 0).any(axis=1)]


def _session(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise DynastError(
            "a pose model needs ONNX Runtime: pip install 'dynast-deploy[cpu]' or 'dynast-deploy[gpu]'"
        ) from None
    if not path.is_file():
        raise DynastError(f"{path}: no such pose model")
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        return onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # its exception classes share no base of their own
        raise DynastError(f"{path}: ONNX Runtime cannot load this pose model: {error}") from None


def _recognised(outputs: list[Any], path: Path) -> Head:
    shapes = {output.name: output.shape for output in outputs}
    if {"simcc_x", "simcc_y"} <= set(shapes):
        _check_skeleton(shapes["simcc_x"], path)
        return Head.SIMCC
    first = outputs[0].shape
    if len(first) == 4 and len(outputs) == 1:
        _check_skeleton(first, path)
        return Head.HEATMAP
    if len(first) == 3 and len(outputs) == 1 and (YOLO_ROW in first[1:] or first[2] == YOLO_FILTERED_ROW):
        return Head.YOLO
    raise DynastError(
        f"{path}: no pose model that is known here; known are simcc_x and simcc_y (RTMPose, DWPose), "
        f"heatmaps [N, K, h, w] (ViTPose) and YOLO's [N, 56, candidates]; this one gives {_shapes(outputs)}"
    )


def _check_skeleton(shape: list[Any], path: Path) -> None:
    if isinstance(shape[1], int) and shape[1] not in SKELETONS:
        raise DynastError(f"{path}: the model has {shape[1]} keypoints; known are {KNOWN_SKELETONS}")


def _shapes(tensors: list[Any]) -> str:
    return ", ".join(f"{tensor.name} {tensor.shape}" for tensor in tensors)


def _crop(
    width: int, height: int, previous: np.ndarray | None, aspect: float, input_width: int
) -> tuple[np.ndarray, float]:
    """Top left corner (x, y) of the crop in the picture, and pixels of the input for one of the picture.

    The crop is the enlarged box of the previous pose, or of the whole picture, widened to the input's aspect.
    """
    low, high = np.zeros(2), np.array([width, height], np.float64)
    if previous is not None and is_seen(previous).any() and person_size(previous) >= MIN_PERSON:
        low, high = person_box(previous.astype(np.float64))
    sides = high - low
    crop_width = BOX_MARGIN * max(sides[0], sides[1] * aspect)
    corner = (low + high) / 2 - np.array([crop_width, crop_width / aspect]) / 2
    return corner, input_width / crop_width
