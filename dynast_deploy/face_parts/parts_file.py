"""Masks of a face's parts in one `.npz`: an array for each part, read a frame at a time."""

from __future__ import annotations

import lzma
import math
import os
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import numpy as np

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.conditions.face import check_part_names
from dynast_deploy.errors import DynastError
from dynast_deploy.whole_file import save_arrays

_DAMAGE = (
    ValueError, OSError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip
"""What reading a damaged archive raises; RuntimeError stands for a locked one."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class PartsFile:
    """Masks of one face in every frame of a video, or in one picture; a context manager.

    Frames are unpacked as they are asked for, so that a long video does not fill the memory; going back costs time.

    Attributes:
        frames: Their number.
        size: (width, height) of the masks.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open an `.npz` file of bool or integer arrays [T, H, W], or [H, W], named as in `FACE_PARTS`.

        Raises DynastError, naming file and part, for what is missing, damaged, no mask, or of unequal shapes.
        """
        self.path = Path(path)
        self._open = ExitStack()
        if not self.path.is_file():
            raise DynastError(f"{self.path}: no such file or folder of parts")
        if not zipfile.is_zipfile(self.path):
            raise DynastError(
                f"{self.path}: not an .npz file, or cut short; write it with numpy.savez_compressed"
            )
        with ExitStack() as stack:
            try:
                archive = stack.enter_context(zipfile.ZipFile(self.path))
                members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
                check_part_names(members, f"{self.path}: ")
                self._parts = {
                    part: _Masks(stack.enter_context(archive.open(info)), info.file_size)
                    for part, info in members.items()
                }
            except _DAMAGE as error:
                raise self._damaged(error) from None
            self.frames, self.size = self._common_shape()
            self._open = stack.pop_all()

    def masks(self, index: int) -> dict[str, np.ndarray]:
        """Bool [H, W] of every part that is seen in frame `index`, from 0; raises DynastError for damaged data."""
        try:
            found = {part: masks.read(index) for part, masks in self._parts.items()}
        except _DAMAGE as error:
            raise self._damaged(error) from None
        return {part: mask for part, mask in found.items() if mask.any()}

    def close(self) -> None:
        self._open.close()

    def __enter__(self) -> PartsFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _common_shape(self) -> tuple[int, tuple[int, int]]:
        if not self._parts:
            raise DynastError(f"{self.path}: no masks in it; the parts are {', '.join(FACE_PARTS)}")
        for part, masks in self._parts.items():
            if not masks.are_masks:
                raise DynastError(
                    f"{self.path}: {part} is {masks.dtype} {list(masks.shape)}; masks are bool or integers "
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
        return frames, (width, height)

    def _damaged(self, error: Exception) -> DynastError:
        return DynastError(f"{self.path}: damaged, or holds Python objects instead of masks ({error})")


def write_parts(path: str | os.PathLike[str], frames: Sequence[Mapping[str, np.ndarray]]) -> None:
    """Write the masks of every frame, each part name to bool or integer [H, W] all of one size; whole or not at all.

    The arrays are bool [T, H, W], false where a frame leaves a part out. Raises DynastError where the name does not end
    in .npz, a part has another name, no frame shows a part, or the folder cannot be written to.
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
    """The masks of one part in an open member of the archive, whose `bytes_` are known."""

    def __init__(self, stream: IO[bytes], bytes_: int) -> None:
        version = np.lib.format.read_magic(stream)
        if version not in _HEADERS:
            raise ValueError(f"array of version {version}")
        self.shape, columns_first, self.dtype = _HEADERS[version](stream)
        self.are_masks = self.dtype.kind in "biu" and len(self.shape) in (2, 3) and 0 not in self.shape
        self.each = self.shape if len(self.shape) == 3 else (1, *self.shape)
        self._stream, self._start = stream, stream.tell()
        self._whole: np.ndarray | None = None
        if not self.are_masks:
            return
        if bytes_ != self._start + math.prod(self.shape) * self.dtype.itemsize:
            raise ValueError("an array has another length than it states")
        if columns_first:
            self._whole = np.frombuffer(stream.read(), self.dtype).reshape(self.shape[::-1]).T

    def read(self, index: int) -> np.ndarray:
        """Bool [H, W]."""
        if self._whole is not None:
            return self._whole.reshape(self.each)[index] != 0
        length = math.prod(self.each[1:]) * self.dtype.itemsize
        self._stream.seek(self._start + index * length)
        return np.frombuffer(self._stream.read(length), self.dtype).reshape(self.each[1:]) != 0
