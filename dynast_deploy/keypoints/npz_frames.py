"""Frames of people from `.npz` files: an array `keypoints`, and `picture_size` where it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.npz import NpzArray, NpzFile
from dynast_deploy.keypoints.poses import FARTHEST, canonical, is_seen, was_not_found
from dynast_deploy.keypoints.recording import MOST_FRAMES, Frame, Recording
from dynast_deploy.keypoints.skeletons import KNOWN_SKELETONS, SKELETONS, to_openpose18
from dynast_deploy.size import Size

MOST_BYTES = 1 << 30
"""Of the array, unpacked: three hours of whole bodies in float64 at 30 frames a second."""

_AT_ONCE = 1 << 22
"""Numbers that are converted at once."""


def read_npz(path: Path) -> Recording:
    """The frames of an array [T, K, 3] or [T, people, K, 3], or without scores [..., 2].

    Raises:
        DynastError: For arrays of another kind or shape, or with infinite numbers; it names the file.
    """
    with NpzFile(path) as file:
        if "keypoints" not in file.arrays:
            names = ", ".join(repr(name)[1:-1] for name in list(file.arrays)[:10])
            raise DynastError(f"{path}: no array `keypoints` in it ({names or 'nothing'})")
        array = file.arrays["keypoints"]
        canvas = _stated_size(file.arrays["picture_size"], path) if "picture_size" in file.arrays else None
        return Recording(str(path), [Frame(people, canvas) for people in _people(array, path)])


def _people(array: NpzArray, path: Path) -> list[np.ndarray]:
    shape = array.shape
    if array.dtype.hasobject:
        raise DynastError(f"{path}: `keypoints` holds Python objects instead of numbers")
    if array.dtype.kind not in "fiu" or len(shape) not in (3, 4) or shape[-1] not in (2, 3):
        raise DynastError(
            f"{path}: `keypoints` is {array.dtype} {list(shape)}; numbers [frames, 18, 3] or [frames, people, 18, 3] "
            "are wanted"
        )
    if not shape[0]:
        raise DynastError(f"{path}: no frame of poses in it")
    if shape[0] > MOST_FRAMES:
        raise DynastError(f"{path}: {shape[0]} frames; at most {MOST_FRAMES} are read: cut it with the video")
    if array.nbytes > MOST_BYTES:
        raise DynastError(
            f"{path}: `keypoints` is {array.dtype} {list(shape)}, {array.nbytes / 1e9:.1f} GB; at most "
            f"{MOST_BYTES / 1e9:.1f} GB are read: leave out all but the 18 keypoints, or cut it with the video"
        )
    if shape[-2] not in SKELETONS:
        raise DynastError(
            f"{path}: {shape[-2]} keypoints are not a known skeleton; known are {KNOWN_SKELETONS}"
        )
    step = max(1, _AT_ONCE // max(1, int(np.prod(shape[1:]))))
    people: list[np.ndarray] = []
    poses = 0
    for first in range(0, shape[0], step):
        rows = array.rows(first, min(first + step, shape[0])).astype(np.float64)
        far = (np.abs(rows) > FARTHEST).reshape(len(rows), -1).any(axis=1)
        if far.any():
            raise DynastError(
                f"{path}, frame {first + int(far.argmax())}: a keypoint is infinite, or farther away than any picture "
                "is wide"
            )
        if rows.ndim == 3:
            rows = rows[:, None]
        if rows.shape[-1] == 2:
            rows = np.concatenate([rows, np.ones_like(rows[..., :1])], axis=-1)
        rows[was_not_found(rows)] = 0
        found = canonical(to_openpose18(rows))
        # Only people with keypoints are kept: most rows of arrays for many people are empty.
        present = is_seen(found)
        poses += int(present.any(axis=-1).sum())
        if poses > 2 * MOST_FRAMES:
            raise DynastError(
                f"{path}: more than {2 * MOST_FRAMES} people in all its frames; cut it with the video"
            )
        people += [each[there.any(axis=-1)] for each, there in zip(found, present, strict=True)]
    return people


def _stated_size(array: NpzArray, path: Path) -> Size:
    if array.dtype.kind not in "iu" or array.shape != (2,):
        raise DynastError(f"{path}: `picture_size` must be two integers, width and height")
    width, height = (int(side) for side in array.read())
    if min(width, height) < 1:
        raise DynastError(f"{path}: `picture_size` must be two integers, width and height")
    return Size(height, width)
