"""What kind of pose model an ONNX file holds, by its input and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.heads import YOLO_FILTERED_ROW, YOLO_ROW
from dynast_deploy.keypoints.skeletons import KNOWN_SKELETONS, SKELETONS
from dynast_deploy.size import Size

MOVENET_PERSON, MOVENET_PEOPLE = [17, 3], [6, YOLO_ROW]
LARGEST_BATCH = 16
LARGEST_SIDE = 4096  # pixels of a model's input
INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int32)": np.int32,
}


class Head(Enum):
    """Kinds of output, with the way the picture goes in."""

    SIMCC = "simcc"
    HEATMAP = "heatmap"
    HEATMAP_LAST = "heatmap, keypoints last"
    YOLO = "yolo"
    MOVENET = "movenet"


@dataclass(frozen=True)
class ModelInput:
    """What a model takes.

    dtype is numpy's; models of whole numbers take the picture's own values and scale them inside. batch: pictures at
    once. size: None where the file leaves it open.
    """

    name: str
    dtype: type
    batch: int
    size: Size | None
    channels_last: bool


def input_of(inputs: list[Any], path: Path) -> ModelInput:
    """The model's one input.

    Raises:
        DynastError: Where it is not clear that the input is pictures.
    """
    if len(inputs) != 1 or len(inputs[0].shape) != 4:
        raise DynastError(
            f"{path}: a pose model takes one picture [N, 3, height, width] or [N, height, width, 3]; this one takes "
            f"{_shapes(inputs)}"
        )
    batch, *sides = inputs[0].shape
    # Names of open axes say nothing that could be relied on; ONNX models are channels first where nothing else is said.
    channels_last = sides[2] == 3 and sides[0] != 3
    channels, height, width = (sides[2], *sides[:2]) if channels_last else sides
    if isinstance(channels, int) and channels != 3:
        raise DynastError(
            f"{path}: the model takes pictures of {channels} channels ({_shapes(inputs)}), not of 3"
        )
    if inputs[0].type not in INPUT_TYPES:
        raise DynastError(
            f"{path}: the model takes {inputs[0].type}; {', '.join(INPUT_TYPES)} are understood"
        )
    if isinstance(batch, int) and batch > LARGEST_BATCH:
        raise DynastError(
            f"{path}: the model takes {batch} pictures at once, of which one is used; export it for single ones"
        )
    fixed = isinstance(height, int) and isinstance(width, int)
    if fixed and not (0 < height <= LARGEST_SIDE and 0 < width <= LARGEST_SIDE):
        raise DynastError(
            f"{path}: the model takes pictures of {width}x{height} pixels; up to {LARGEST_SIDE} a side are run"
        )
    return ModelInput(
        inputs[0].name,
        INPUT_TYPES[inputs[0].type],
        batch if isinstance(batch, int) and batch > 0 else 1,
        Size(height, width) if fixed else None,
        channels_last,
    )


def head_of(outputs: list[Any], takes_int32: bool, path: Path) -> tuple[Head, list[str]]:
    """The kind of model, and the outputs to ask for.

    Raises:
        DynastError: Where no kind that is known has such outputs.
    """
    shapes = {output.name: output.shape for output in outputs}
    if {"simcc_x", "simcc_y"} <= set(shapes):
        check_skeleton(shapes["simcc_x"][1], path)
        return Head.SIMCC, ["simcc_x", "simcc_y"]
    names, first = list(shapes), outputs[0].shape
    if len(outputs) == 1 and (
        first[1:] == [1, *MOVENET_PERSON] or (takes_int32 and first[1:] == MOVENET_PEOPLE)
    ):
        return Head.MOVENET, names
    if len(outputs) == 2 and all(len(shape) == 3 and shape[1] in SKELETONS for shape in shapes.values()):
        return Head.SIMCC, names
    if len(first) == 4 and len(outputs) == 1:
        if first[3] in SKELETONS and first[1] not in SKELETONS:
            return Head.HEATMAP_LAST, names
        check_skeleton(first[1], path)
        return Head.HEATMAP, names
    if len(first) == 3 and len(outputs) == 1 and (YOLO_ROW in first[1:] or first[2] == YOLO_FILTERED_ROW):
        return Head.YOLO, names
    raise DynastError(
        f"{path}: no pose model that is known here; known are simcc_x and simcc_y (RTMPose, DWPose), "
        f"heatmaps [N, K, h, w] (ViTPose), YOLO's [N, 56, candidates] and MoveNet's [1, 1, 17, 3]; "
        f"this one gives {_shapes(outputs)}"
    )


def check_skeleton(count: Any, path: Path) -> None:
    """Make sure of a number of keypoints, which is a name where the file leaves it open.

    Raises:
        DynastError: Where no skeleton that is known has so many.
    """
    if isinstance(count, int) and count not in SKELETONS:
        raise DynastError(f"{path}: the model has {count} keypoints; known are {KNOWN_SKELETONS}")


def _shapes(tensors: list[Any]) -> str:
    return ", ".join(f"{tensor.name} {tensor.shape}" for tensor in tensors)
