"""Poses in files: reading every known format, writing ours, finding the file that lies next to a video."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import save_arrays
from dynast_deploy.files.names import find_beside
from dynast_deploy.files.natural_order import natural_order
from dynast_deploy.keypoints.json_frames import read_json, read_json_lines
from dynast_deploy.keypoints.json_people import NO_PEOPLE
from dynast_deploy.keypoints.npz_frames import read_npz
from dynast_deploy.keypoints.person_follower import follow_person
from dynast_deploy.keypoints.pixels import are_fractions
from dynast_deploy.keypoints.poses import RELATIVE, Poses, is_seen
from dynast_deploy.keypoints.recording import Frame, Recording, checked, named, numbered, picture_name
from dynast_deploy.keypoints.timeline import NOTHING, timeline
from dynast_deploy.keypoints.yolo_labels import read_labels

SIDECAR_ENDINGS = (".poses.npz", ".poses.json", ".poses.jsonl", "_keypoints.json", "_keypoints")
"""What follows a video's or picture's name without its own ending; the last is OpenPose's folder."""

CLASSES = "classes.txt"
"""Names of classes, which tools put next to YOLO's labels."""

PERCENT = 10
"""A file whose largest score is above this has its scores in percent; those of AlphaPose's first models went to 6."""


def read_poses(path: str | os.PathLike[str], min_score: float = 0) -> Poses:
    """One person's poses from a file or a folder, for the frames of a video.

    Args:
        path: As `read_recording` takes it.
        min_score: Keypoints that score less were not seen.

    Returns:
        Poses of the person who is most present in the first frame that shows anyone, followed through the others
        (`PersonFollower`). Frames without a person are there, with 18 missing keypoints, also those whose number is
        missing where files are numbered in a fixed width. Fractional coordinates become pixels of the canvas that the
        file states; without one, `picture_size` is `RELATIVE`.

    Raises:
        DynastError: For what is missing, damaged or of another format; it names file and frame.
    """
    recording = read_recording(path, min_score)
    places = timeline(recording)
    assert places is not None
    return followed(recording, places)


def followed(recording: Recording, places: np.ndarray) -> Poses:
    """Poses of one person in a video whose frames have these `places` in the recording (`timeline.timeline`).

    `places` is int `[T]`.

    Raises:
        DynastError: Where frames state different sizes.
    """
    canvases = {frame.canvas for frame in recording.frames if frame.canvas is not None}
    if len(canvases) > 1:
        stated = sorted(canvas.width_height for canvas in canvases)
        sizes = " and ".join(f"{width}x{height}" for width, height in stated[:2])
        raise DynastError(
            f"{recording.origin}: frames of different sizes ({sizes}); poses of one video share one size"
        )
    size = canvases.pop() if canvases else None
    people = [frame.people for frame in recording.frames]
    scale = None
    if are_fractions(people, recording.origin):
        size = size or RELATIVE
        scale = np.array([*size.width_height, 1], np.float32)
    here = (NO_PEOPLE if place == NOTHING else people[place] for place in places)
    return Poses(follow_person(each if scale is None else each * scale for each in here), size)


def read_recording(path: str | os.PathLike[str], min_score: float = 0) -> Recording:
    """Everybody in each frame of a file or folder; endings in any case.

    Args:
        path: A folder of JSON files, one a frame, in natural order of their names (`frame2` before `frame10`), or of
            YOLO's labels (`yolo_labels`); a `.json` file (`json_frames`); a `.jsonl` file, one frame a line; a `.txt`
            file of labels; or an `.npz` file with an array `keypoints`, [T, K, 3] or [T, people, K, 3] (x, y, score;
            without scores [..., 2]) and, where it is known, `picture_size` (width, height). K is that of a skeleton in
            `skeletons.SKELETONS`.
        min_score: Keypoints that score less were not seen.

    Raises:
        DynastError: For what is missing, damaged or of another format; it names file and frame.
    """
    path = Path(path)
    try:
        recording = checked(_read(path))
    except OSError as error:
        raise DynastError(f"{path} cannot be read: {error.strerror or error}") from None
    return _above(recording, min_score) if min_score > 0 else recording


def write_poses(path: str | os.PathLike[str], poses: Poses) -> None:
    """Write poses as `.npz` (`keypoints` float32 [T, 18, 3], `picture_size` where known); whole or not at all.

    Raises:
        DynastError: Where the name ends otherwise or the folder cannot be written to.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DynastError(f"{path}: poses are written as .npz; give the file that ending")
    arrays = {"keypoints": poses.keypoints}
    if poses.picture_size is not None:
        arrays["picture_size"] = np.array(poses.picture_size.width_height)
    save_arrays(path, arrays)


def find_sidecar(media_path: str | os.PathLike[str]) -> Path | None:
    """The poses that lie next to a picture or video, or None.

    For `walk.mp4`, in this order: `walk.poses.npz`, `walk.poses.json`, `walk.poses.jsonl`,
    `walk_keypoints.json` and the folder `walk_keypoints`; what follows `walk` may be in any case.
    """
    return find_beside(Path(media_path), SIDECAR_ENDINGS)


def _read(path: Path) -> Recording:
    if path.is_dir():
        return _read_folder(path)
    if not path.is_file():
        raise DynastError(f"{path}: no such file or folder of poses")
    ending = path.suffix.lower()
    if ending == ".npz":
        return read_npz(path)
    if ending == ".json":
        return read_json(path)
    if ending == ".jsonl":
        return read_json_lines(path)
    if ending == ".txt":
        return _of_labels(path)
    raise DynastError(
        f"{path}: poses come as .npz, .json, .jsonl, .txt (YOLO's labels), or a folder of JSON files or labels"
    )


def _read_folder(folder: Path) -> Recording:
    """A frame from each JSON file, or each label file where there is no JSON, in natural order of their names."""
    files = sorted((file for file in folder.iterdir() if file.name[0] != "."), key=natural_order)
    of_json = [file for file in files if file.suffix.lower() == ".json"]
    labels = [file for file in files if file.suffix.lower() == ".txt" and file.name != CLASSES]
    frames = [_only_frame(file) for file in of_json or labels]
    _, padded = numbered([frame.name or "" for frame in frames])
    is_labels = not of_json
    return named(str(folder), frames, leaves_out=padded or is_labels, open_ended=is_labels)


def _of_labels(path: Path) -> Recording:
    return Recording(str(path), [Frame(read_labels(path))])


def _only_frame(file: Path) -> Frame:
    try:
        found = (read_json(file) if file.suffix.lower() == ".json" else _of_labels(file)).frames
    except DynastError as error:
        raise DynastError(f"{error}; if it is not a frame of poses, take it out of the folder") from None
    if len(found) != 1:
        raise DynastError(f"{file}: {len(found)} frames; a file of a folder holds one frame")
    return Frame(found[0].people, found[0].canvas, picture_name(file.name))


def _above(recording: Recording, min_score: float) -> Recording:
    """The same without the keypoints that score less; where scores are in percent, than so many percent."""
    largest = max(
        (float(frame.people[..., 2].max()) for frame in recording.frames if len(frame.people)), default=0
    )
    least = min_score * 100 if largest > PERCENT else min_score
    frames = []
    for frame in recording.frames:
        people = frame.people.copy()
        people[people[..., 2] < least] = (np.nan, np.nan, 0)
        frames.append(Frame(people[is_seen(people).any(axis=1)], frame.canvas, frame.name, frame.number))
    return replace(recording, frames=frames)
