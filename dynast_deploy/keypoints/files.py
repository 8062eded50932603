"""Poses in files: reading every known format, writing ours, finding the file that lies beside a video."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.json_frames import Frame, read_json, read_json_lines
from dynast_deploy.keypoints.people import follow_person
from dynast_deploy.keypoints.poses import RELATIVE, Poses, canonical, is_seen
from dynast_deploy.keypoints.skeletons import to_openpose18
from dynast_deploy.natural_order import natural_order
from dynast_deploy.whole_file import save_arrays

SIDECAR_ENDINGS = (".poses.npz", ".poses.json", ".poses.jsonl", "_keypoints.json", "_keypoints")
"""What follows a video's or picture's name without its own ending; the last is OpenPose's folder."""

RELATIVE_LIMIT = 2.0
"""Coordinates all nearer to 0 than this are fractions of the picture. Not 1: estimators place keypoints
a little outside the picture, and no person is two pixels large."""


def read_poses(path: str | os.PathLike[str]) -> Poses:
    """One person's poses from a file or a folder.

    Args:
        path: A folder of OpenPose JSON files, one a frame, in natural order of their names (`frame2` before
            `frame10`); a `.json` file with one frame, a list of frames or COCO's keypoint annotations; a
            `.jsonl` file, one frame a line; or an `.npz` file with an array `keypoints`, [T, K, 3] or
            [T, people, K, 3] (x, y, score; without scores [..., 2]) and, where it is known, `picture_size`
            (width, height). K is 18 (OpenPose's COCO order), 25 (BODY_25), 17 (COCO) or 133
            (COCO-WholeBody).

    Returns:
        Poses of the largest person in the first frame that shows anyone, and of whoever is nearest to them
        in each frame after. Frames without a person are there, with 18 missing keypoints. Fractional
        coordinates become pixels of the canvas that the file states; without one, `picture_size` is (1, 1).

    Raises DynastError, naming file and frame, for what is missing, damaged or of another format.
    """
    path = Path(path)
    if path.is_dir():
        return _assembled(_read_folder(path), path)
    if not path.is_file():
        raise DynastError(f"{path}: no such file or folder of poses")
    ending = path.suffix.lower()
    if ending == ".npz":
        return _read_npz(path)
    if ending == ".json":
        return _assembled(read_json(path), path)
    if ending == ".jsonl":
        return _assembled(read_json_lines(path), path)
    raise DynastError(f"{path}: poses come as .npz, .json, .jsonl, or a folder of OpenPose's JSON files")


def write_poses(path: str | os.PathLike[str], poses: Poses) -> None:
    """Write poses as `.npz` (`keypoints` float32 [T, 18, 3], `picture_size` where known); whole or not at
    all.

    Raises DynastError where the name ends otherwise or the folder cannot be written to.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DynastError(f"{path}: poses are written as .npz; give the file that ending")
    arrays = {"keypoints": poses.keypoints}
    if poses.picture_size is not None:
        arrays["picture_size"] = np.array(poses.picture_size)
    save_arrays(path, arrays)


def find_sidecar(media_path: str | os.PathLike[str]) -> Path | None:
    """The poses that lie beside a picture or video, or None.

    For `walk.mp4`, in this order: `walk.poses.npz`, `walk.poses.json`, `walk.poses.jsonl`,
    `walk_keypoints.json` and the folder `walk_keypoints`.
    """
    media = Path(media_path)
    candidates = [media.parent / (media.stem + ending) for ending in SIDECAR_ENDINGS]
    return next((path for path in candidates if path.exists()), None)


def _read_folder(folder: Path) -> list[Frame]:
    files = sorted((file for file in folder.glob("*.json") if file.name[0] != "."), key=natural_order)
    frames = []
    for file in files:
        found = read_json(file)
        if len(found) != 1:
            raise DynastError(f"{file}: {len(found)} frames; a file of a folder holds one frame")
        frames += found
    return frames


def _assembled(frames: list[Frame], path: Path) -> Poses:
    if not frames:
        raise DynastError(f"{path}: no frame of poses in it")
    people = [canonical(np.array(frame.people).reshape(-1, 18, 3)) for frame in frames]
    canvases = {frame.canvas for frame in frames if frame.canvas is not None}
    if len(canvases) > 1:
        sizes = " and ".join(f"{width}x{height}" for width, height in sorted(canvases)[:2])
        raise DynastError(f"{path}: frames of different sizes ({sizes}); poses of one video share one size")
    return _follow(people, canvases.pop() if canvases else None)


def _follow(people: list[np.ndarray], picture_size: tuple[int, int] | None) -> Poses:
    """Poses of one person from canonical arrays [P, 18, 3], one a frame, in pixels or fractions."""
    seen = np.concatenate([each[is_seen(each)] for each in people])
    if len(seen) and np.abs(seen[:, :2]).max() < RELATIVE_LIMIT:
        scale = np.array([*(picture_size or RELATIVE), 1], np.float32)
        people = [each * scale for each in people]
        picture_size = picture_size or RELATIVE
    return Poses(follow_person(people), picture_size)


def _read_npz(path: Path) -> Poses:
    arrays = _npz_arrays(path)
    if "keypoints" not in arrays:
        raise DynastError(f"{path}: no array `keypoints` in it ({', '.join(arrays) or 'nothing'})")
    keypoints = arrays["keypoints"]
    if keypoints.dtype.kind not in "fiu" or keypoints.ndim not in (3, 4) or keypoints.shape[-1] not in (2, 3):
        raise DynastError(
            f"{path}: `keypoints` is {keypoints.dtype} {list(keypoints.shape)}; numbers [frames, 18, 3] or "
            "[frames, people, 18, 3] are wanted"
        )
    if not len(keypoints):
        raise DynastError(f"{path}: no frame of poses in it")
    keypoints = keypoints.astype(np.float64)
    infinite = np.isinf(keypoints).reshape(len(keypoints), -1).any(axis=1)
    if infinite.any():
        raise DynastError(f"{path}, frame {int(infinite.argmax())}: a keypoint is infinite")
    if keypoints.ndim == 3:
        keypoints = keypoints[:, None]
    if keypoints.shape[-1] == 2:
        keypoints = np.concatenate([keypoints, np.ones_like(keypoints[..., :1])], axis=-1)
    try:
        people = canonical(to_openpose18(keypoints))
    except DynastError as error:
        raise DynastError(f"{path}: {error}") from None
    return _follow(list(people), _stated_size(arrays, path))


def _npz_arrays(path: Path) -> dict[str, np.ndarray]:
    if not zipfile.is_zipfile(path):
        raise DynastError(f"{path}: not an .npz file, or cut short; write it with numpy.savez")
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ("keypoints", "picture_size") if name in arrays}
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise DynastError(f"{path}: damaged, or holds Python objects instead of numbers ({error})") from None


def _stated_size(arrays: dict[str, np.ndarray], path: Path) -> tuple[int, int] | None:
    if "picture_size" not in arrays:
        return None
    size = arrays["picture_size"]
    if size.dtype.kind not in "iu" or size.shape != (2,) or (size < 1).any():
        raise DynastError(f"{path}: `picture_size` must be two integers, width and height")
    return int(size[0]), int(size[1])
