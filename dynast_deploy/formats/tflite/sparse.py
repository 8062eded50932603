"""Sparse constants: only the blocks that are not zero are stored, level by level (schema: `SparsityParameters`)."""

from __future__ import annotations

import numpy as np

from dynast_deploy.formats.tflite.flatbuffer import Table

INDEX_TYPES = {1: "<i4", 2: "<u2", 3: "u1"}
"""Members of the schema's union `SparseIndexVector`."""


def dense(values: np.ndarray, shape: tuple[int, ...], sparsity: Table) -> np.ndarray:
    """The constant of `shape` of whose numbers `values`, 1-D, are stored and all others are 0.

    Dimensions are walked in the file's traversal order; those past the rank of `shape` run inside a block of the
    dimension that the block map names.

    Raises:
        ValueError: Where the description does not fit; IndexError, too.
    """
    order, blocks = sparsity.array(0, "<i4"), sparsity.array(1, "<i4")
    levels = sparsity.tables(2)
    if sorted(order) != list(range(len(shape) + len(blocks))) or len(levels) != len(order):
        raise ValueError("a sparse constant's dimensions do not fit its shape")
    # No level has more places than numbers are stored: a dense one lies before segments or before the values.
    most = values.size + sum(len(_indices(level, 2)) for level in levels if level.number(0, "b") != 0)
    positions = np.zeros(1, np.int64)  # of everything stored so far in its level
    indices: dict[int, np.ndarray] = {}
    sizes: dict[int, int] = {}
    for dimension, level in zip(order, levels, strict=True):
        if level.number(0, "b") == 0:
            count = sizes[int(dimension)] = level.number(1, "i")
            if count < 0 or count * max(1, len(positions)) > most:
                raise ValueError("a sparse constant is larger than its shape")
            parents = np.repeat(np.arange(len(positions)), count)
            found = np.tile(np.arange(count), len(positions))
            positions = positions[parents] * count + found
        else:
            segments, stored = _indices(level, 2), _indices(level, 4)
            lengths = segments[positions + 1] - segments[positions]
            if (lengths < 0).any() or lengths.sum() > len(stored):
                raise ValueError("a sparse constant's segments do not fit its indices")
            parents = np.repeat(np.arange(len(positions)), lengths)
            within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
            positions = segments[positions][parents] + within
            found = stored[positions]
        indices = {known: index[parents] for known, index in indices.items()} | {int(dimension): found}
    place = [indices[dimension] for dimension in range(len(shape))]
    for number, dimension in enumerate(blocks):
        inner = len(shape) + number
        place[dimension] = place[dimension] * sizes[inner] + indices[inner]
    whole = np.zeros(shape, values.dtype)
    whole[tuple(place)] = values[positions]
    return whole


def _indices(level: Table, field: int) -> np.ndarray:
    """The union whose type is field `field` and whose table is the next one.

    Raises:
        ValueError: Where there is none.
    """
    vector = level.table(field + 1)
    if vector is None:
        raise ValueError("a sparse constant without its indices")
    return vector.array(0, INDEX_TYPES[level.number(field, "B")]).astype(np.int64)
