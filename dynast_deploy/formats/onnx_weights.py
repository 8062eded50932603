"""The large weights of an ONNX file, read into memory of this process when a session needs them.

ONNX Runtime can map them from the file instead (external data), and then draws wrong pictures, or ends with SIGBUS,
when somebody writes over the file while it is in use. Here they are read once, and only from the file that was loaded.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.onnx_check import check_finite, check_tensor


class _Identity(NamedTuple):
    """What changes when a file is replaced or written over."""

    device: int
    inode: int
    size: int
    changed_ns: int


class _Place(NamedTuple):
    """Where a tensor's raw data lie."""

    path: Path
    offset: int
    length: int


class Weights:
    """Of the file at `path`, as it is now; whoever reads the graph from it makes this first.

    folder: the one that the file lies in, links followed.
    """

    def __init__(self, path: Path) -> None:
        self._source, self._path = str(path), path.resolve()
        self.folder = self._path.parent
        self._identities = {self._path: _identity(self._path)}

    def fill(
        self, model: onnx.ModelProto, apart: Collection[str] = (), held: Collection[str] = ()
    ) -> dict[str, np.ndarray]:
        """Read the tensors that `onnx_reader.read_graph` left in the file into `model`, which is changed.

        Those named `apart` are returned by name instead, and stay references in the model; so do those `held`, which
        are not read.

        Raises:
            DynastError: Where the file is not the one that was loaded, or weights are not finite.
        """
        self._check_identities()
        found = {}
        for tensor in model.graph.initializer:
            if tensor.data_location != TensorProto.EXTERNAL or tensor.name in held:
                continue
            data = self._read(tensor)
            if tensor.name in apart:
                found[tensor.name] = data.reshape(tuple(tensor.dims))
                continue
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")
            tensor.raw_data = data.tobytes()
        self._check_identities()
        return found

    def is_found_by_others(self, tensor: onnx.TensorProto) -> bool:
        """Whether the tensor lies in the file itself, and under a name that ONNX can write down."""
        return _said(tensor).get("location") == self._path.name

    def _read(self, tensor: onnx.TensorProto) -> np.ndarray:
        """Its values in a row; bytes where two of them share one.

        Raises:
            DynastError: Where they cannot be read, do not fit the tensor's shape, or are not finite.
        """
        place = self._place(tensor)
        try:
            with open(place.path, "rb") as file:
                file.seek(place.offset)
                data = file.read(place.length)
        except OSError as error:
            raise DynastError(f"{place.path}: cannot be read ({error.strerror})") from None
        check_tensor(tensor, len(data), self._source)
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type))
        is_packed = dtype.itemsize * math.prod(tensor.dims) != len(data)
        array = np.frombuffer(data, np.uint8 if is_packed else dtype)
        check_finite(tensor.name, array, self._source)
        return array

    def _place(self, tensor: onnx.TensorProto) -> _Place:
        """In the engine's file, or another one of its folder, as ONNX's external data say it.

        Raises:
            DynastError: Where that file is not there, too short, or outside the folder.
        """
        said = _said(tensor)
        try:
            location = said["location"]
            path = (
                self._path if location == reference_name(self._path) else (self.folder / location).resolve()
            )
            identity = self._identities.setdefault(path, _identity(path))
            size = identity.size if identity is not None else 0
            offset = int(said.get("offset", 0))
            length = int(said.get("length", size - offset))
            fits = min(offset, length, size - offset - length) >= 0 and path.is_relative_to(self.folder)
        except (KeyError, ValueError, OSError):
            fits = False
        if not fits:
            raise DynastError(
                f"{self._source}: its weights {tensor.name} lie in another file, which is not there, too short or "
                "outside its folder; save the engine as one file"
            )
        return _Place(path, offset, length)

    def _check_identities(self) -> None:
        for path, identity in self._identities.items():
            if _identity(path) != identity:
                raise DynastError(f"{self._source} changed while it was in use; load the engine again")


def reference_name(path: Path) -> str:
    """How a reference into the file at `path` names that file: ONNX takes UTF-8 alone."""
    return os.fsencode(path.resolve().name).decode(errors="replace")


def _said(tensor: onnx.TensorProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in tensor.external_data}


def _identity(path: Path) -> _Identity | None:
    """None when the file is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return _Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
