"""Masks of a face's parts in one `.npz`: an array for each part, or one of labels, read a frame at a time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.conditions.face import check_part_names
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts.inside import inside, thinned
from dynast_deploy.face_parts.label_map import IGNORED_PARTS, order_of, parts_of
from dynast_deploy.files.atomic_file import save_arrays
from dynast_deploy.formats.npz import NpzArray, NpzFile
from dynast_deploy.size import Size

LABELS = "labels"
"""The array that holds labels of all parts instead of one mask for each."""


class PartsFile:
    """Masks of one face in every frame of a video, or in one picture; a context manager.

    Frames are unpacked as they are asked for, so that a long video does not fill the memory; going back costs time.

    Attributes:
        frames: Their number.
        size: The size of the masks.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open an `.npz` file of arrays [T, H, W], or [H, W], named as in `FACE_PARTS`: bool or integers.

        Instead of masks there may be one array called `labels` (`label_map`). Parts that only face parsers know are
        skipped.

        Raises:
            DynastError: Where the file is missing or damaged, an array is not a mask or has another name, or shapes
                differ.
        """
        self.path = Path(path)
        self._open = ExitStack()
        if not self.path.is_file():
            raise DynastError(f"{self.path}: no such file or folder of parts")
        with ExitStack() as stack:
            file = stack.enter_context(NpzFile(self.path))
            arrays = {name: array for name, array in file.arrays.items() if name not in IGNORED_PARTS}
            if LABELS not in arrays:
                check_part_names(arrays, f"{self.path}: ")
            elif len(arrays) > 1:
                raise DynastError(
                    f"{self.path}: holds both {LABELS} and masks of parts; leave one of them out"
                )
            self._parts = {part: _Masks(array, f"{self.path}: {part}") for part, array in arrays.items()}
            self._order: tuple[str, ...] | None = None
            self.frames, self.size = self._common_shape()
            self._open = stack.pop_all()

    def masks(self, index: int) -> dict[str, np.ndarray]:
        """Masks bool [H, W] of every part that is visible in frame `index`, from 0.

        Raises:
            DynastError: Where the data are damaged.
        """
        if LABELS in self._parts:
            labels = self._parts[LABELS].read(index)
            if not labels.any():
                return {}
            self._order = self._order or order_of(labels, f"{self.path}, frame {index},")
            return parts_of(labels, self._order)
        found = {part: inside(masks.read(index), masks.name) for part, masks in self._parts.items()}
        return {part: mask for part, mask in found.items() if mask.any()}

    def close(self) -> None:
        """Close the file; nothing may be read after that."""
        self._open.close()

    def __enter__(self) -> PartsFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _common_shape(self) -> tuple[int, Size]:
        if not self._parts:
            raise DynastError(f"{self.path}: no masks in it; the parts are {', '.join(FACE_PARTS)}")
        for part, masks in self._parts.items():
            if not masks.are_masks:
                raise DynastError(
                    f"{self.path}: {part} is {masks.array.dtype} {list(masks.array.shape)}; masks are bool or integers "
                    "[frames, height, width], or [height, width]"
                )
        first, *others = ((part, masks.each) for part, masks in self._parts.items())
        for part, each in others:
            if each != first[1]:
                raise DynastError(
                    f"{self.path}: {part} is {list(each)} and {first[0]} is {list(first[1])}; all parts have as many "
                    "masks, of one size"
                )
        frames, height, width = first[1]
        return frames, Size(height, width)


def write_parts(path: str | os.PathLike[str], frames: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Write the masks of every frame, each part name to bool or integer [H, W] all of one size; whole or not at all.

    The arrays are bool [T, H, W], false where a frame leaves a part out.

    Raises:
        DynastError: Where the name does not end in .npz, a part has another name, no frame shows a part, or the folder
            cannot be written to.
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise DynastError(f"{path}: parts are written as .npz; give the file that ending")
    named = {part for frame in frames for part in frame}
    check_part_names(named, f"{path}: ")
    if not named:
        raise DynastError(f"{path}: no frame shows a part of a face")
    shape = next(mask.shape for frame in frames for mask in frame.values())
    masks = {part: np.zeros((len(frames), *shape), bool) for part in FACE_PARTS if part in named}
    for index, frame in enumerate(frames):
        for part, mask in frame.items():
            masks[part][index] = mask != 0
    save_arrays(path, masks)


class _Masks:
    """The masks of one part: an array [T, H, W], or [H, W]."""

    def __init__(self, array: NpzArray, name: str) -> None:
        self.array, self.name, shape = array, name, array.shape
        self.are_masks = array.dtype.kind in "biu" and len(shape) in (2, 3) and 0 not in shape
        self.each = shape if len(shape) == 3 else (1, *shape)

    def read(self, index: int) -> np.ndarray:
        """[H, W] as it lies in the file, thinned where it is very large."""
        if len(self.array.shape) == 2:
            return thinned(self.array.read())
        return thinned(self.array.rows(index, index + 1)[0])
