"""Surface maps as channels that may be averaged, warped and compared."""

from __future__ import annotations

import numpy as np

_BITS = 6


def surface_code(surface: np.ndarray, size: int) -> np.ndarray:
    """A surface map `[H, W, 3]` (part, u, v) as `[9, size, size]` float32, taken at the nearest pixels.

    Parts (0, the background, to 63) are six bits of -1 or 1, u is -1..1 as given, v becomes -1..1 from 0..1, the last
    channel is 1 on a part, and the background is 0 throughout.
    """
    nearest = ((np.arange(size) + 0.5) * surface.shape[0] / size).astype(np.intp)
    part, u, v = surface[nearest[:, None], nearest].transpose(2, 0, 1)
    body = (part > 0).astype(np.float32)
    bits = (part.astype(np.intp)[None] >> np.arange(_BITS)[:, None, None]) & 1
    return np.concatenate([(2 * bits - 1) * body, [u * body, (2 * v - 1) * body, body]]).astype(np.float32)
