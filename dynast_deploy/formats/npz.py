"""Arrays in `.npz` files, as `numpy.savez` writes them: what headers state is checked before memory is asked for."""

from __future__ import annotations

import math
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import numpy as np

from dynast_deploy.errors import DynastError

MOST_BYTES = 1 << 28
"""256 MiB: the most that is held of one array at a time. Larger arrays are read row by row."""

_DAMAGE = (
    ValueError, OSError, EOFError, RuntimeError, OverflowError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a damaged archive raises; RuntimeError stands for an encrypted one and an unknown zip version."""

_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_WRITTEN_BY_NUMPY = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LONGEST_AXIS = 1 << 40


class NpzFile:
    """An open `.npz` file; a context manager.

    Attributes:
        path: The file.
        arrays: Every array in it by its name, unread.
    """

    def __init__(self, path: str | os.PathLike[str], wanted: Collection[str] | None = None) -> None:
        """Open a file and read the headers of its arrays, or of those `wanted` that it has.

        Raises:
            DynastError: Names file and array, for what is not an archive, encrypted, damaged, compressed in a way that
                NumPy does not write, or of another length than its header states.
        """
        self.path = Path(path)
        self._open = ExitStack()
        with ExitStack() as stack, self._named():
            if not zipfile.is_zipfile(self.path):
                raise DynastError(
                    f"{self.path}: not an .npz file, or cut short; write it with numpy.savez_compressed"
                )
            archive = stack.enter_context(zipfile.ZipFile(self.path))
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            self.arrays: dict[str, NpzArray] = {}
            for name, info in members.items():
                if wanted is not None and name not in wanted:
                    continue
                _check_compression(info, name)
                self.arrays[name] = NpzArray(self, name, stack.enter_context(archive.open(info)), info)
            self._open = stack.pop_all()

    def close(self) -> None:
        """Close the file; its arrays can no longer be read."""
        self._open.close()

    def __enter__(self) -> NpzFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Turn whatever damage raises into a DynastError that names the file.

        Raises:
            DynastError: In place of what was raised.
        """
        try:
            yield
        except _DAMAGE as error:
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            raise DynastError(
                f"{self.path}: damaged, or holds Python objects instead of numbers ({reason})"
            ) from None


def _check_compression(info: zipfile.ZipInfo, name: str) -> None:
    if info.compress_type not in _WRITTEN_BY_NUMPY:
        raise ValueError(f"{name!r} is compressed in a way that NumPy does not write")


class NpzArray:
    """One array of an open file.

    Attributes:
        shape: As its header states; the member has exactly as many bytes.
        dtype: Arrays of Python objects open too, so that users can name them; they are never read.
    """

    def __init__(self, file: NpzFile, name: str, stream: IO[bytes], info: zipfile.ZipInfo) -> None:
        """Read the header of the member `name`; `stream` and `info` are of that member.

        Raises:
            ValueError: Where the header does not describe the member.
        """
        self._file, self.name, self._stream = file, name, stream
        self.shape, self._columns_first, self.dtype = _read_header(stream, name)
        self._start = stream.tell()
        if not self.dtype.hasobject and info.file_size != self._start + self.nbytes:
            raise ValueError(f"{name!r} has another length than it states")
        self._whole: np.ndarray | None = None

    @property
    def nbytes(self) -> int:
        """What the whole array takes in memory."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self) -> np.ndarray:
        """The whole array, of the shape and dtype that its header states.

        Raises:
            DynastError: Where it is damaged or larger than `MOST_BYTES`.
        """
        if self.nbytes > MOST_BYTES:
            raise DynastError(
                f"{self._file.path}: {self.name!r} is {self.dtype} {list(self.shape)}, {self.nbytes / 1e6:.0f} MB; at "
                f"most {MOST_BYTES / 1e6:.0f} MB are read at once"
            )
        with self._file._named():
            self._stream.seek(self._start)
            flat = self._flat(self.nbytes)
            return flat.reshape(self.shape[::-1]).T if self._columns_first else flat.reshape(self.shape)

    def rows(self, first: int, end: int) -> np.ndarray:
        """Rows `first` to `end`, without it, of the first axis. Ascending reads are cheap; going back costs time.

        The result is `[end - first, ...]`.

        Raises:
            DynastError: Where they are damaged or take more than `MOST_BYTES`.
        """
        if self._columns_first and len(self.shape) > 1:
            if self._whole is None:
                self._whole = self.read()
            return self._whole[first:end]
        row = math.prod(self.shape[1:]) * self.dtype.itemsize
        if (end - first) * row > MOST_BYTES:
            raise DynastError(
                f"{self._file.path}: a row of {self.name!r} takes {row / 1e6:.0f} MB; at most "
                f"{MOST_BYTES / 1e6:.0f} MB are read at once"
            )
        with self._file._named():
            self._stream.seek(self._start + first * row)
            return self._flat((end - first) * row).reshape(end - first, *self.shape[1:])

    def _flat(self, count: int) -> np.ndarray:
        flat = np.frombuffer(self._exactly(count), self.dtype)
        # NumPy does not look at text before it is used, and then raises SystemError.
        if self.dtype.kind == "U" and flat.view(_character(self.dtype)).max(initial=0) > sys.maxunicode:
            raise ValueError(f"{self.name!r} holds characters that there are not")
        return flat

    def _exactly(self, count: int) -> bytes:
        if self.dtype.hasobject:
            raise ValueError(f"{self.name!r} is an array of objects")
        data = self._stream.read(count)
        if len(data) != count:
            raise EOFError(f"{self.name!r} ends early")
        return data


def _character(text: np.dtype) -> np.dtype:
    """The integers that the characters of a type of text are stored as, in its byte order."""
    return np.dtype(np.uint32).newbyteorder(text.byteorder)


def _read_header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, and type.

    Raises:
        ValueError: For anything else than NumPy writes.
    """
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"{name!r} is an array of version {version}")
    try:
        shape, columns_first, dtype = _HEADERS[version](stream)
    except Exception as error:  # of many kinds: NumPy hands the text to Python's own parser
        reason = str(error).split("\n")[0][:200]
        raise ValueError(f"the header of {name!r} cannot be read: {reason}") from None
    if not all(type(side) is int and 0 <= side < _LONGEST_AXIS for side in shape):
        raise ValueError(f"{name!r} states the shape {str(shape)[:80]}")
    return shape, columns_first, dtype
