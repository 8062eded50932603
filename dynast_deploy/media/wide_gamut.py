"""Pictures of wide gamut (Display P3, BT.2020) to that of BT.709 and sRGB, which the network was trained on."""

from __future__ import annotations

from functools import cache

import numpy as np

# The x and y of red, green and blue by ITU-T H.273, table 2; white is D65 in all of them.
_BT709 = ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_WIDE = {
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),  # BT.2020
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),  # Display P3
}
_D65 = (0.3127, 0.3290)
_HIGH_DYNAMIC_RANGE = frozenset({16, 18})  # PQ and HLG
# Enough that every 8-bit level comes back from linear light.
_LEVELS = 1 << 14


def is_wide(primaries: int, transfer: int) -> bool:
    """Whether `to_bt709` is for these numbers of H.273: wide primaries and standard dynamic range."""
    return primaries in _WIDE and transfer not in _HIGH_DYNAMIC_RANGE


def to_bt709(picture: np.ndarray, primaries: int) -> np.ndarray:
    """uint8 [H, W, 3] RGB of wide `primaries` to the primaries of BT.709; what lies outside them is clipped.

    Light is taken to follow the curve of sRGB (IEC 61966-2-1), as screens show video of any standard curve.
    """
    import cv2

    light = cv2.transform(_light()[picture], _matrix(primaries))
    np.clip(light, 0, 1, out=light)
    light *= _LEVELS - 1
    return _levels()[np.rint(light, out=light).astype(np.uint16)]


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> np.ndarray:
    """float64 [3, 3]: linear RGB to CIE XYZ."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    x, y = _D65
    return columns * np.linalg.solve(columns, (x / y, 1, (1 - x - y) / y))


@cache
def _matrix(primaries: int) -> np.ndarray:
    return np.linalg.solve(_to_xyz(_BT709), _to_xyz(_WIDE[primaries])).astype(np.float32)


@cache
def _light() -> np.ndarray:
    """float32 [256]: linear light of each level."""
    level = np.arange(256) / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)


@cache
def _levels() -> np.ndarray:
    """uint8 [_LEVELS]: the level of each linear light."""
    light = np.arange(_LEVELS) / (_LEVELS - 1)
    level = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return (level * 255).round().astype(np.uint8)
