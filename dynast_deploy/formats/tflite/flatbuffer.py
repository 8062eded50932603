"""Reading tables of a FlatBuffers file (flatbuffers.dev, "internals"): offsets, field tables, vectors."""

from __future__ import annotations

import struct

import numpy as np


class Table:
    """One table of a file; fields are named by their number in the schema.

    Every method raises struct.error, IndexError or ValueError where the file is damaged.
    """

    def __init__(self, data: bytes, position: int) -> None:
        if not 0 <= position < len(data):
            raise ValueError("an offset leads out of the file")
        self._data, self._position = data, position

    @classmethod
    def root(cls, data: bytes) -> Table:
        """The table that a file begins with."""
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def number(self, field: int, code: str, default: int = 0) -> int:
        """A scalar of the `struct` format `code`; `default` where the file leaves it out."""
        place = self._field(field)
        return default if place is None else int(struct.unpack_from(f"<{code}", self._data, place)[0])

    def table(self, field: int) -> Table | None:
        """Another table, or None."""
        place = self._field(field)
        return None if place is None else Table(self._data, self._target(place))

    def tables(self, field: int) -> list[Table]:
        """A vector of tables; empty where there is none."""
        start, count = self._vector(field)
        return [Table(self._data, self._target(start + 4 * index)) for index in range(count)]

    def array(self, field: int, dtype: str) -> np.ndarray:
        """A vector of numbers, 1-D; empty where there is none."""
        start, count = self._vector(field)
        return np.frombuffer(self._data, dtype, count, start)

    def text(self, field: int) -> str:
        """A string; empty where there is none."""
        return self.array(field, "u1").tobytes().decode()

    def _field(self, field: int) -> int | None:
        fields = self._position - struct.unpack_from("<i", self._data, self._position)[0]
        if fields < 0:
            raise ValueError("an offset leads out of the file")
        entry = 4 + 2 * field
        if entry >= struct.unpack_from("<H", self._data, fields)[0]:
            return None
        offset = struct.unpack_from("<H", self._data, fields + entry)[0]
        return self._position + offset if offset else None

    def _target(self, place: int) -> int:
        return int(place + struct.unpack_from("<I", self._data, place)[0])

    def _vector(self, field: int) -> tuple[int, int]:
        """Where its first element lies, and how many there are.

        Raises:
            ValueError: Where it is longer than the file.
        """
        place = self._field(field)
        if place is None:
            return 0, 0
        start = self._target(place)
        count = struct.unpack_from("<I", self._data, start)[0]
        if count > len(self._data):
            raise ValueError("a vector is longer than the file")
        return start + 4, count
