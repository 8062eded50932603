"""A user's own pose model as ONNX: RTMPose and DWPose, ViTPose and HRNet, YOLO pose models."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.heads import (
    YOLO_FILTERED_ROW,
    YOLO_ROW,
    heatmap_keypoints,
    movenet_keypoints,
    simcc_keypoints,
    yolo_keypoints,
)
from dynast_deploy.keypoints.people import choose_person, person_box, person_size
from dynast_deploy.keypoints.pose_model_kind import (
    MOVENET_PEOPLE,
    MOVENET_PERSON,
    Head,
    check_skeleton,
    head_of,
    input_of,
)
from dynast_deploy.keypoints.poses import canonical, is_seen
from dynast_deploy.keypoints.session import open_session
from dynast_deploy.keypoints.skeletons import to_openpose18
from dynast_deploy.size import Size

MIN_SCORE = 0.3
"""Estimators place every keypoint somewhere; those scoring less than this were not seen."""

BOX_MARGIN = 1.25  # the models were trained on boxes enlarged by this
MIN_PERSON = 16.0  # pixels; a smaller one is too little to crop the next frame around
MEAN = np.array([123.675, 116.28, 103.53], np.float32)  # ImageNet's, in RGB
DEVIATION = np.array([58.395, 57.12, 57.375], np.float32)
LETTERBOX_GREY = 114
# Where the file leaves the size open.
CROP_SIZE, YOLO_SIZE, MOVENET_SIZE = Size(256, 192), Size(640, 640), Size(256, 256)
LARGEST_OUTPUT = 1e9  # no score and no place in a picture is larger


class PoseModel:
    """A pose model in an ONNX file, called frame by frame.

    Recognised by its outputs: `simcc_x` and `simcc_y` [N, K, bins] (RTMPose, DWPose), heatmaps [N, K, h, w]
    (ViTPose, HRNet), rows [N, 56, candidates], [N, candidates, 56] or [N, candidates, 57] (YOLO pose models
    as Ultralytics exports them), [1, 1, 17, 3] or, with int32 pictures, [1, 6, 56] (MoveNet). K is that of any
    skeleton in `SKELETONS`.

    Models of one person see a crop: the box of the person in an earlier frame, and the whole picture where
    there is none or where no person is left in it.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        channel_order: Literal["rgb", "bgr"] = "rgb",
        min_score: float | None = None,
    ) -> None:
        """Load the model on the GPU where ONNX Runtime has one, on the CPU otherwise.

        `channel_order` is that of the model's input; keypoints below `min_score` (0.3) are not seen.

        Raises:
            DynastError: Where the file or ONNX Runtime is missing, or the model is none of the above.
        """
        self._path = Path(path)
        self._reverse_channels = channel_order == "bgr"
        self._min_score = MIN_SCORE if min_score is None else min_score
        self._session = open_session(self._path, str(self._path))
        self._input = input_of(self._session.get_inputs(), self._path)
        takes_int32 = self._input.dtype is np.int32
        self._head, self._outputs = head_of(self._session.get_outputs(), takes_int32, self._path)
        open_sizes = {Head.YOLO: YOLO_SIZE, Head.MOVENET: MOVENET_SIZE}
        self._size = self._input.size or open_sizes.get(self._head, CROP_SIZE)

    @property
    def sees_everybody(self) -> bool:
        """Whether it looks at whole pictures, not at one person in a crop."""
        return self._head in (Head.YOLO, Head.MOVENET)

    def __call__(self, picture: np.ndarray, previous: np.ndarray | None = None) -> np.ndarray:
        """The pose in one frame, float32 [18, 3]: of `people` the one who was in the frame before (`choose_person`).

        Raises:
            DynastError: Where the model does not run, or gives something else than its kind does.
        """
        return choose_person(self.people(picture, previous), previous)

    def people(self, picture: np.ndarray, previous: np.ndarray | None = None) -> np.ndarray:
        """Everybody in one frame.

        Args:
            picture: uint8 [H, W, 3], RGB.
            previous: The pose [18, 3] in the last frame that showed the person, or None at first or after a
                cut.

        Returns:
            canonical float32 [P, 18, 3], pixels; keypoints scoring below the limit count as not seen.

        Raises:
            DynastError: Where the model does not run, or gives something else than its kind does.
        """
        if self.sees_everybody:
            people = self._run_letterboxed(picture)
        else:
            people = self._run_cropped(picture, previous)
            if previous is not None and not len(people):
                people = self._run_cropped(picture, None)
        found = canonical(to_openpose18(people))
        return found[is_seen(found).any(axis=1)]

    def _run_cropped(self, picture: np.ndarray, previous: np.ndarray | None) -> np.ndarray:
        """Float64 [1, K, 3] of the person in the crop, or [0, K, 3], in pixels of the picture."""
        height, width = self._size
        (left, top), scale = _crop(picture.shape[1], picture.shape[0], previous, width / height, width)
        matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
        crop = cv2.warpAffine(picture, matrix, self._size.width_height, flags=cv2.INTER_LINEAR)
        outputs = self._run(crop, lambda pixels: (pixels - MEAN) / DEVIATION)
        if self._head is Head.SIMCC:
            keypoints = simcc_keypoints(outputs[0], outputs[1], self._size)
        else:
            last = self._head is Head.HEATMAP_LAST
            keypoints = heatmap_keypoints(outputs[0].transpose(2, 0, 1) if last else outputs[0], self._size)
        keypoints[:, :2] = keypoints[:, :2] / scale + (left, top)
        return self._present(keypoints[None])

    def _run_letterboxed(self, picture: np.ndarray) -> np.ndarray:
        """Float64 [P, 17, 3] of everybody, in pixels of the picture."""
        height, width = self._size
        scale = min(width / picture.shape[1], height / picture.shape[0])
        inner = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
        left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
        yolo = self._head is Head.YOLO
        canvas = np.full((height, width, 3), LETTERBOX_GREY if yolo else 0, np.uint8)
        canvas[top : top + inner[1], left : left + inner[0]] = cv2.resize(picture, inner)
        if yolo:
            people = yolo_keypoints(self._run(canvas, lambda pixels: pixels / np.float32(255))[0])
        else:
            people = movenet_keypoints(self._run(canvas, lambda pixels: pixels)[0], self._size)
        people[..., :2] = (people[..., :2] - (left, top)) / scale
        return self._present(people)

    def _run(self, pixels: np.ndarray, scaled: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
        """The outputs for one picture, uint8 [height, width, 3] in RGB, as float32; of two, x comes first.

        `scaled` brings it to the numbers that models of floats take.

        Raises:
            DynastError: Where the model does not run, or gives something else than its kind does.
        """
        values = pixels if self._input.dtype in (np.uint8, np.int32) else scaled(pixels)
        if self._reverse_channels:
            values = values[..., ::-1]
        if not self._input.channels_last:
            values = values.transpose(2, 0, 1)
        pictures: np.ndarray = np.repeat(values[None].astype(self._input.dtype), self._input.batch, axis=0)
        try:
            found = self._session.run(self._outputs, {self._input.name: pictures})
            outputs = [np.asarray(output[0], np.float32) for output in found]
        except Exception as error:  # ONNX Runtime's exception classes share no base of their own
            height, width = self._size
            raise DynastError(
                f"{self._path}: the model does not run on {width}x{height} pixels: {error}"
            ) from None
        self._check_outputs(outputs)
        return outputs

    def _check_outputs(self, outputs: list[np.ndarray]) -> None:
        """Make sure that outputs of one picture are what their kind of model gives.

        Raises:
            DynastError: Where they are not.
        """
        # What cannot be seen in the file: open shapes, and what the weights make of a picture.
        if not all(np.abs(output).max(initial=0) <= LARGEST_OUTPUT for output in outputs):
            raise DynastError(f"{self._path}: the model gives NaN or infinity; export it again, as float32")
        if self._head is Head.MOVENET:
            fits = list(outputs[0].shape) in ([1, *MOVENET_PERSON], MOVENET_PEOPLE)
        elif self._head is Head.YOLO:
            fits = outputs[0].ndim == 2 and (
                YOLO_ROW in outputs[0].shape or outputs[0].shape[1] == YOLO_FILTERED_ROW
            )
        else:
            check_skeleton(outputs[0].shape[-1 if self._head is Head.HEATMAP_LAST else 0], self._path)
            fits = all(output.size for output in outputs) and len({len(output) for output in outputs}) == 1
            fits &= all(output.ndim == (2 if self._head is Head.SIMCC else 3) for output in outputs)
        if not fits:
            shapes = ", ".join(str(list(output.shape)) for output in outputs)
            raise DynastError(
                f"{self._path}: the model gives {shapes} for a picture, not what {self._head.value} gives"
            )

    def _present(self, people: np.ndarray) -> np.ndarray:
        """The people, [P, K, 3], of whom anything was seen, without the keypoints that were not."""
        people[people[..., 2] < self._min_score] = 0
        return people[(people[..., 2] > 0).any(axis=1)]


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
