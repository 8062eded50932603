"""Arrays to calibrate a tiny engine on."""

from __future__ import annotations

import numpy as np


def tiny_arrays(frames: int = 6, exemplars: int = 2) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "condition": rng.integers(0, 256, (frames, 20, 32, 32), np.uint8),
        "exemplar": rng.random((exemplars, 3, 32, 32), np.float32) * 2 - 1,
        "exemplar_condition": rng.integers(0, 256, (exemplars, 20, 32, 32), np.uint8),
    }
