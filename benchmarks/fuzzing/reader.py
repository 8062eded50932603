"""What a reader of the product is for the fuzz test, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fuzzing.damage import Damage, damaged_bytes
from fuzzing.structure import damaged_archive, damaged_json

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ARCHIVE_DAMAGES: tuple[Damage, ...] = (damaged_archive, damaged_bytes)
"""For zip archives: `.npz`, `.pth`, `.plan`."""
JSON_DAMAGES: tuple[Damage, ...] = (damaged_json, damaged_json, damaged_json, damaged_bytes)


@dataclass(frozen=True)
class Reader:
    """How one kind of file is read, and whole files of it.

    read: reads a file; seeds: (name, contents) of whole files; damages: what is done to them, each as often; needs: the
    package without which it cannot read, None where the product's own dependencies are enough.
    """

    read: Callable[[Path], object]
    seeds: Callable[[], Sequence[tuple[str, bytes]]]
    damages: tuple[Damage, ...] = (damaged_bytes,)
    needs: str | None = None


def examples(*names: str) -> Callable[[], list[tuple[str, bytes]]]:
    """Whole files out of `examples/`, for `Reader.seeds`."""
    return lambda: [(Path(name).name, (EXAMPLES / name).read_bytes()) for name in names]


def drawn_picture(height: int = 24, width: int = 32) -> np.ndarray:
    """A colour gradient, uint8 `[height, width, 3]`."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows * 8, columns * 7, rows + columns], axis=-1).astype(np.uint8)
