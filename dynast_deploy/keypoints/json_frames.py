"""Frames of people from JSON files: what stands in them, whichever tool wrote it.

A document is one frame; a list of frames; one person of a list (MMPose's and Ultralytics' results of one picture); an
object of frames by their pictures' names (AlphaPose's `--format open` and `cmu`, PoseFlow's tracks); results by
`image_id` (AlphaPose, COCO's results); `instance_info` (MMPose's demos); or COCO's keypoint annotations (`images`,
`annotations`). How people stand in a frame is `json_people`'s subject.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.json_coco import CocoAnnotations
from dynast_deploy.keypoints.json_people import (
    BODIES,
    PEOPLE,
    SIZES,
    canvas_of,
    is_batch,
    is_frame,
    is_person,
    people_of,
    people_of_list,
    pose_of,
    stacked,
)
from dynast_deploy.keypoints.json_stream import read_pieces, reason
from dynast_deploy.keypoints.recording import MOST_FRAMES, Frame, Recording, named, picture_name, printable

_FRAME_KEYS = {*PEOPLE, *BODIES, *(name for names in SIZES for name in names), "frame_id", "image_id"}


def read_json(path: Path) -> Recording:
    """The frames of a JSON file.

    Raises:
        DynastError: For anything that is not known; it names file and frame.
    """
    entries, members = _Entries(path), _Members(path)
    scalar = None
    for piece in read_pieces(path):
        if not piece.keys:
            scalar = piece.value
        elif isinstance(piece.keys[0], int):
            entries.add(piece.value)
        else:
            members.add(str(piece.keys[0]), len(piece.keys) == 2, piece.value)
    if scalar is not None:
        people_of(scalar, str(path))
    return members.recording() if members.any else entries.recording()


def read_json_lines(path: Path) -> Recording:
    """The frames of a JSONL file: one frame a line.

    Raises:
        DynastError: For a line that is not a frame of a known format; it names file and line.
    """
    with path.open("rb") as file:
        encoding = json.detect_encoding(file.read(4))
    entries, empty = _Entries(path, "line", 1), 0
    with path.open(encoding=encoding, errors="surrogatepass") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    empty = empty or number
                    continue
                if empty:
                    raise DynastError(
                        f"{path}, line {empty}: not whole JSON (it is empty); write the file again"
                    )
                try:
                    document = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DynastError(
                        f"{path}, line {number}: not whole JSON ({reason(error)}); write the file again"
                    ) from None
                entries.add([document] if is_person(document) and "image_id" not in document else document)
        except UnicodeDecodeError as error:
            raise DynastError(f"{path}: not whole JSON ({reason(error)}); write the file again") from None
    return entries.recording()


class _Entries:
    """A list's entries as they come: frames, one frame's people, or results by `image_id`; never two of these."""

    def __init__(self, path: Path, word: str = "frame", first: int = 0) -> None:
        self._path, self._word, self._count = path, word, first
        self._frames: list[Frame] = []
        self._people: list[np.ndarray | None] = []
        self._of_images: dict[str | int, list[np.ndarray | None]] = {}

    def add(self, document: Any) -> None:
        where = f"{self._path}, {self._word} {self._count}"
        self._count += 1
        if is_person(document) and isinstance(document.get("image_id"), (str, int)):
            self._of_images.setdefault(document["image_id"], []).append(pose_of(document, where))
        elif is_person(document):
            self._people.append(pose_of(document, f"{self._path}, person {self._count - 1}"))
        else:
            self._frames.append(frame_of(document, where))
        if bool(self._frames) + bool(self._people) + bool(self._of_images) > 1:
            raise DynastError(f"{where}: frames and people without a frame in one list; write one kind")
        if len(self._frames) > MOST_FRAMES:
            raise DynastError(f"{self._path}: more than {MOST_FRAMES} frames; cut it with the video")

    def recording(self) -> Recording:
        """The frames that were added.

        Raises:
            DynastError: Where there is no frame, or there are too many.
        """
        if self._of_images:
            return named(
                str(self._path),
                [_of_image(image, stacked(poses)) for image, poses in self._of_images.items()],
                leaves_out=True,
                open_ended=True,
                first=0
                if all(isinstance(image, str) and _is_count(image) for image in self._of_images)
                else 1,
            )
        if self._people:
            return Recording(str(self._path), [Frame(stacked(self._people))])
        # MMPose numbers the frames that it writes; a tool that leaves some out leaves their numbers out.
        return named(str(self._path), self._frames, leaves_out=True)


class _Members:
    """An object's members as they come."""

    def __init__(self, path: Path) -> None:
        self._path, self.any = path, False
        self._own: dict[str, Any] = {}
        self._coco = CocoAnnotations(path)
        self._instances = _Entries(path)
        self._pictures: dict[str, list[Any]] = {}
        self._error: dict[str, DynastError] = {}
        self._frames: dict[str, Frame] = {}
        self._has_frames = False

    def add(self, name: str, is_entry: bool, value: Any) -> None:
        self.any = True
        if name == "images" and is_entry:
            self._coco.add_image(value)
        elif name == "annotations" and is_entry:
            self._coco.add_annotation(value)
        elif name == "instance_info" and is_entry:
            self._instances.add(value)
        elif name in _FRAME_KEYS and is_entry:
            self._own.setdefault(name, []).append(value)
        elif name in _FRAME_KEYS or name in ("images", "annotations", "instance_info"):
            self._own[name] = value
        else:
            self._add_named(name, is_entry, value)

    def recording(self) -> Recording:
        """The frames that the members hold, as one of the formats that are known.

        Raises:
            DynastError: Where they are of no known format.
        """
        if self._coco.any:
            return self._coco.recording()
        if "annotations" in self._own and "images" in self._own:
            raise DynastError(f"{self._path}: not COCO's keypoint annotations (no images)")
        instances = self._instances.recording()
        if instances.frames:
            return instances
        if is_batch(self._own):
            return Recording(
                str(self._path), [frame_of(each, str(self._path)) for each in self._own["predictions"]]
            )
        if is_person(self._own):
            return Recording(str(self._path), [Frame(stacked([pose_of(self._own, str(self._path))]))])
        if is_frame(self._own) or not (self._has_frames or self._pictures):
            return Recording(str(self._path), [frame_of(self._own, str(self._path))])
        if self._error:
            first = next(iter(self._error.values()))
            raise first
        for name, people in self._pictures.items():
            self._frames[name] = Frame(
                people_of_list(people, f"{self._path}, {printable(name)}"), None, picture_name(name)
            )
        return named(str(self._path), list(self._frames.values()), leaves_out=True, open_ended=True)

    def _add_named(self, name: str, is_entry: bool, value: Any) -> None:
        """A member that may be a frame by its picture's name, or something that is not read."""
        where = f"{self._path}, {printable(name)}"
        if is_entry and is_person(value):
            self._pictures.setdefault(name, []).append(value)
        elif not is_entry and is_frame(value):
            # An empty list alone may be anything.
            self._has_frames = self._has_frames or value != []
            try:
                self._frames[name] = frame_of(value, where, picture_name(name))
            except DynastError as error:
                self._error[name] = error


def frame_of(document: Any, where: str, name: str | None = None) -> Frame:
    """One frame from its document.

    Raises:
        DynastError: For what is not a person or a canvas of a known format; it begins with `where`.
    """
    people = people_of(document, where)
    if not isinstance(document, dict):
        return Frame(people, None, name)
    number = document.get("frame_id")
    number = number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None
    return Frame(people, canvas_of(document, where), name, number)


def _is_count(image: str) -> bool:
    """Whether a name is that of a video's frame in AlphaPose, which calls them 0.jpg, 1.jpg, ..."""
    name = picture_name(image)
    return name.isascii() and name.isdecimal() and (name == "0" or name[0] != "0")


def _of_image(image: str | int, people: np.ndarray) -> Frame:
    if isinstance(image, int):
        return Frame(people, None, str(image), image)
    return Frame(people, None, picture_name(image))
