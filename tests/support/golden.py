"""Recordings of the published code: `../shared/golden` next to the checkout, else the small copies in `tests/data`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from checkout import DATA, RECORDINGS

_FOLDERS = (
    RECORDINGS,
    DATA,
)


def golden_path(name: str) -> Path:
    """The recording's path; skips the test that asks for one which is nowhere."""
    for folder in _FOLDERS:
        if (folder / name).is_file():
            return folder / name
    pytest.skip(f"golden recording {name} is neither in ../shared/golden nor in tests/data")


def golden(name: str) -> dict[str, np.ndarray]:
    with np.load(golden_path(name), allow_pickle=False) as arrays:
        return dict(arrays)
