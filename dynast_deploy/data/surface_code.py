"""Surface maps as channels that may be averaged, warped and compared."""

from __future__ import annotations

import numpy as np

_BITS = 6
_CODES = np.where(np.arange(2**_BITS) >> np.arange(_BITS)[:, None] & 1, 1, -1).astype(np.float32)
_CODES[:, 0] = 0


def surface_code(surface: np.ndarray, size: int) -> np.ndarray:
    """A surface map `[H, W, 3]` (part, u, v) as `[9, size, size]` float32, taken at the nearest pixels.

    Parts (0, the background, to 63) are six bits of -1 or 1, u is -1..1 as given, v becomes -1..1 from 0..1, the last
    channel is 1 on a part, and the background is 0 throughout.
    """
    if len(surface) != size:
        nearest = ((np.arange(size) + 0.5) * len(surface) / size).astype(np.intp)
        surface = surface[nearest[:, None], nearest]
    part, u, v = surface.transpose(2, 0, 1)
    number = part.astype(np.intp)
    code = np.empty((_BITS + 3, size, size), np.float32)
    for bit in range(_BITS):
        # Without a mode, numpy checks indices through a copy.
        np.take(_CODES[bit], number, out=code[bit], mode="clip")
    body = part > 0
    code[_BITS], code[_BITS + 1], code[_BITS + 2] = u * body, (2 * v - 1) * body, body
    return code
