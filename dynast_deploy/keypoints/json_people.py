"""People in JSON: how pose tools write one person's keypoints, and everybody in one frame.

The formats, by the name of what holds the numbers: `pose_keypoints_2d` (OpenPose from 1.4 on, DWPose,
controlnet_aux, sd-webui-openpose-editor, AlphaPose's `--format open`) and `pose_keypoints` (OpenPose before);
`joints` (AlphaPose's `--format cmu`); `keypoints` as x, y, score, ... (COCO, AlphaPose), as pairs with
`keypoint_scores` (MMPose 1.x), or as three lists `x`, `y`, `visible` (Ultralytics' `to_json`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.poses import FARTHEST, canonical, is_seen, was_not_found
from dynast_deploy.keypoints.recording import printable
from dynast_deploy.keypoints.skeletons import KNOWN_SKELETONS, SKELETONS, to_openpose18
from dynast_deploy.size import Size

BODIES = ("pose_keypoints_2d", "pose_keypoints", "keypoints", "joints")
"""Under one of these a person's numbers stand."""

PEOPLE = ("people", "instances", "bodies", "predictions")
"""Under one of these a frame's people stand: OpenPose, MMPose, AlphaPose's `--format cmu`, MMPose's own results."""

SIZES = (("canvas_width", "canvas_height"), ("width", "height"))
"""Under these a frame's size stands."""

NO_PEOPLE = np.empty((0, 18, 3), np.float32)
_NUMBERS = {int, float, str, type(None)}


def is_person(document: Any) -> bool:
    """Whether a document describes one person, not a frame; openpose-editor's frames hold `keypoints`, too."""
    return (
        isinstance(document, dict)
        and any(name in document for name in BODIES)
        and not any(name in document for name in PEOPLE)
        and not _is_editor_frame(document)
    )


def is_frame(document: Any) -> bool:
    """Whether a document describes a frame: an object that holds people, or a list of people."""
    if isinstance(document, list):
        return all(is_person(each) for each in document)
    return isinstance(document, dict) and (
        any(name in document for name in PEOPLE) or _is_editor_frame(document)
    )


def is_batch(document: Any) -> bool:
    """Whether a document holds MMPose's results of several pictures, a list of people each."""
    results = document.get("predictions") if isinstance(document, dict) else None
    return (
        isinstance(results, list)
        and len(results) > 1
        and all(isinstance(people, list) and is_frame(people) for people in results)
    )


def people_of(document: Any, where: str) -> np.ndarray:
    """Everybody of whom anything is seen in a frame's document, canonical float32 [P, 18, 3].

    Raises:
        DynastError: For a document that is not a frame of a known format; it begins with `where`.
    """
    if isinstance(document, dict) and _is_editor_frame(document):
        return people_of_list(_editor_people(document["keypoints"]), where)
    name = next((name for name in PEOPLE if name in document), None) if isinstance(document, dict) else None
    if name is None and not (isinstance(document, list) and is_frame(document)):
        raise DynastError(
            f'{where}: no list "people"; known are the JSON of OpenPose, AlphaPose, MMPose, Ultralytics and '
            "openpose-editor, lists of such frames, and COCO's keypoint annotations"
        )
    if name is None:
        return people_of_list(document, where)
    people = document[name]
    if name == "predictions" and isinstance(people, list) and len(people) == 1 and is_frame(people[0]):
        people = people[0]
    return people_of_list(people, where, name)


def people_of_list(people: Any, where: str, name: str = "people") -> np.ndarray:
    """The same from a list of people, or an object of them by their numbers; null stands for no people.

    Canonical float32 [P, 18, 3].

    Raises:
        DynastError: For what is not a person of a known format; it begins with `where`.
    """
    if isinstance(people, dict):
        people = list(people.values())
    if people is None:
        people = []
    if not isinstance(people, list) or not all(isinstance(person, (dict, list)) for person in people):
        raise DynastError(f'{where}: "{name}" is not a list of people')
    return stacked([pose_of(person, f"{where}, person {number}") for number, person in enumerate(people)])


def stacked(poses: list[np.ndarray | None]) -> np.ndarray:
    """Those of [18, 3] of whom anything is seen, canonical float32 [P, 18, 3]."""
    present = [pose for pose in poses if pose is not None]
    if not present:
        return NO_PEOPLE
    people = canonical(np.stack(present))
    return people[is_seen(people).any(axis=1)]


def pose_of(person: Any, where: str) -> np.ndarray | None:
    """Float64 [18, 3] of one person; None where only a hand or the face was found (null or an empty list).

    Keypoints that are null, NaN, or exactly at (0, 0) or (-1, -1), as tools write for those that they did not find,
    have score 0. Keypoints without scores have score 1.

    Raises:
        DynastError: For keypoints of no known skeleton, or at no place in a picture.
    """
    body, scores = person, None
    if isinstance(person, dict):
        body = next((person[name] for name in BODIES if person.get(name) is not None), None)
        scores = person.get("keypoint_scores")
    if not body:
        return None
    points = _points(body, scores, where)
    if (np.abs(points) > FARTHEST).any():
        raise DynastError(f"{where}: a keypoint is infinite, or farther away than any picture is wide")
    points[was_not_found(points)] = 0
    return to_openpose18(points)


def canvas_of(document: dict[str, Any], where: str) -> Size | None:
    """The picture's size that a frame states, or None.

    Raises:
        DynastError: For sides that are not pixels from 1 on.
    """
    for names in SIZES:
        sides = [document.get(name) for name in names]
        if None in sides:
            continue
        try:
            width, height = (float(str(side)) for side in sides)
        except ValueError:
            width = height = 0
        if not (1 <= width <= 1e6 and 1 <= height <= 1e6):
            shown = " x ".join(printable(side) for side in sides)
            raise DynastError(f"{where}: canvas of {shown}; both must be pixels from 1 on")
        return Size(int(height), int(width))
    return None


def _is_editor_frame(document: dict[str, Any]) -> bool:
    """Whether `keypoints` are those of several people, as openpose-editor writes them next to `width` and `height`.

    They are pairs [x, y], or null, of one person after the other, 18 each, or a list of such lists.
    """
    bodies = document.get("keypoints")
    if not isinstance(bodies, list):
        return False
    there = [body for body in bodies if body is not None]
    if not there or not all(isinstance(body, list) and body for body in there):
        return False
    if all(isinstance(body[0], list) for body in there):
        return True
    return (
        "width" in document
        and "height" in document
        and len(bodies) % 18 == 0
        and "keypoint_scores" not in document
    )


def _editor_people(bodies: list[list[Any] | None]) -> list[Any]:
    """One list of pairs a person."""
    there = [body for body in bodies if body is not None]
    if isinstance(there[0][0], list):
        return there
    return [bodies[first : first + 18] for first in range(0, len(bodies), 18)]


def _points(body: Any, scores: Any, where: str) -> np.ndarray:
    """Float64 [K, 3] of a known skeleton.

    Raises:
        DynastError: For another number of keypoints.
    """
    if isinstance(body, dict):
        columns = [body.get(name) for name in ("x", "y", "visible")]
        values = _array([column for column in columns if column is not None], where)
        values = values.T if values.ndim == 2 else values[:, None]
    else:
        values = _array(body, where)
    count = values.size
    if values.ndim == 1:
        width = next((width for width in (3, 2) if not count % width and count // width in SKELETONS), None)
        if width is None:
            raise DynastError(
                f"{where}: {count} numbers; keypoints have 3 each, and known are {KNOWN_SKELETONS}"
            )
        values = values.reshape(-1, width)
    if values.ndim != 2 or values.shape[1] not in (2, 3):
        raise DynastError(
            f"{where}: keypoints {list(values.shape)}; x, y and a score are wanted for each of {KNOWN_SKELETONS}"
        )
    if len(values) not in SKELETONS:
        raise DynastError(
            f"{where}: {len(values)} keypoints are not a known skeleton; known are {KNOWN_SKELETONS}"
        )
    if scores is not None:
        stated = _array(scores, where)
        if stated.shape != (len(values),):
            raise DynastError(f"{where}: {stated.size} scores of {len(values)} keypoints")
        return np.column_stack([values[:, :2], stated])
    return values if values.shape[1] == 3 else np.column_stack([values, np.ones(len(values))])


def _array(numbers: Any, where: str) -> np.ndarray:
    """Float64 from a list, or a list of lists, of numbers, text of numbers, or null, which becomes NaN.

    Null instead of a list is a whole row of NaN.

    Raises:
        DynastError: For anything else.
    """
    kinds: set[type] = set(map(type, numbers)) if isinstance(numbers, list) else {dict}
    if kinds == {list, type(None)}:
        width = len(next(row for row in numbers if row is not None))
        numbers = [[None] * width if row is None else row for row in numbers]
        kinds = {list}
    if kinds == {list}:
        kinds = set().union(*(map(type, row) for row in numbers))
    try:
        if kinds <= _NUMBERS:
            return np.array(numbers, np.float64)
    except OverflowError:
        raise DynastError(
            f"{where}: a keypoint is infinite, or farther away than any picture is wide"
        ) from None
    except (ValueError, TypeError):
        pass
    raise DynastError(f"{where}: the keypoints are not a flat list of numbers x, y, score, ...")
