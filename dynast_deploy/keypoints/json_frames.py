"""Frames of people from JSON: OpenPose's files, what other tools write in their manner, and COCO annotations.

The formats: OpenPose "output format" (`people[].pose_keypoints_2d`, and `pose_keypoints` before 1.4); the
files of DWPose and controlnet_aux (the same with `canvas_width` and `canvas_height`, lists that may be null,
coordinates that may be fractions of the canvas); COCO's keypoint annotations (`images`,
`annotations[].keypoints`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.skeletons import KNOWN_SKELETONS, SKELETONS, to_openpose18


@dataclass(frozen=True)
class Frame:
    """The people of one frame, float64 [18, 3] each, and its (width, height) where that is stated."""

    people: list[np.ndarray] = field(default_factory=list)
    canvas: tuple[int, int] | None = None


def read_json(path: Path) -> list[Frame]:
    """The frames of a JSON file: one frame, a list of frames, or COCO annotations."""
    document = _parsed(path.read_bytes(), str(path))
    if isinstance(document, dict) and "annotations" in document:
        return _coco_frames(document, path)
    if isinstance(document, list):
        return [_frame(each, f"{path}, frame {number}") for number, each in enumerate(document)]
    return [_frame(document, str(path))]


def read_json_lines(path: Path) -> list[Frame]:
    """The frames of a JSONL file: one frame a line."""
    lines = path.read_bytes().rstrip().splitlines()
    return [
        _frame(_parsed(line, f"{path}, line {number}"), f"{path}, line {number}")
        for number, line in enumerate(lines, start=1)
    ]


def _parsed(text: bytes, where: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise DynastError(f"{where}: not whole JSON ({error}); write the file again") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _frame(document: Any, where: str) -> Frame:
    if not isinstance(document, dict) or "people" not in document:
        raise DynastError(
            f'{where}: no list "people"; known are OpenPose\'s JSON, a list of such frames, '
            "and COCO's keypoint annotations"
        )
    people = document["people"]
    if people is None:
        people = []
    if not isinstance(people, list) or not all(isinstance(person, dict) for person in people):
        raise DynastError(f'{where}: "people" is no list of people')
    bodies = [person.get("pose_keypoints_2d", person.get("pose_keypoints")) for person in people]
    # A person of whom only a hand or the face was found has null or an empty list here.
    poses = [_pose(body, f"{where}, person {number}") for number, body in enumerate(bodies) if body]
    return Frame(poses, _canvas(document.get("canvas_width"), document.get("canvas_height"), where))


def _pose(numbers: Any, where: str) -> np.ndarray:
    values = np.asarray(numbers) if _is_flat_list(numbers) else None
    if values is None or values.dtype.kind not in "if":
        raise DynastError(f"{where}: the keypoints are no flat list of numbers x, y, score, ...")
    if len(values) % 3 or len(values) // 3 not in SKELETONS:
        raise DynastError(
            f"{where}: {len(values)} numbers; keypoints have 3 each, and known are {KNOWN_SKELETONS}"
        )
    if not np.isfinite(values).all():
        raise DynastError(f"{where}: a keypoint is infinite")
    return to_openpose18(values.reshape(-1, 3))


def _is_flat_list(numbers: Any) -> bool:
    return isinstance(numbers, list) and not any(isinstance(each, (list, dict, bool)) for each in numbers)


def _canvas(width: Any, height: Any, where: str) -> tuple[int, int] | None:
    if width is None or height is None:
        return None
    if not all(isinstance(side, (int, float)) and 1 <= side <= 1e6 for side in (width, height)):
        raise DynastError(f"{where}: canvas of {width} x {height}; both must be pixels from 1 on")
    return int(width), int(height)


def _coco_frames(document: dict[str, Any], path: Path) -> list[Frame]:
    """One frame for each entry of `images`, in their order of `id`."""
    try:
        images = sorted(document["images"], key=lambda image: image["id"])
        frames = {
            image["id"]: Frame(
                [], _canvas(image.get("width"), image.get("height"), f"{path}, image {image['id']}")
            )
            for image in images
        }
        for number, annotation in enumerate(document["annotations"]):
            if annotation.get("keypoints"):
                pose = _pose(annotation["keypoints"], f"{path}, annotation {number}")
                frames[annotation["image_id"]].people.append(pose)
    except (KeyError, TypeError, AttributeError) as error:
        raise DynastError(
            f"{path}: not COCO's keypoint annotations ({type(error).__name__}: {error})"
        ) from None
    return list(frames.values())
