"""Small ICC profiles (version 2.4), written as the specification lays them out."""

from __future__ import annotations

import struct

import numpy as np

D50 = (0.9642, 1.0, 0.8249)
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
"""XYZ, adapted to D50, of the three primaries, one in each column."""

SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def rgb_profile(primaries: np.ndarray, gamma: float) -> bytes:
    """A screen's profile: XYZ of its primaries (D50), one power for all three."""
    tags = {f"{name}XYZ": _xyz(primaries[:, k]) for k, name in enumerate("rgb")}
    return _profile("RGB ", "XYZ ", {**tags, **{f"{name}TRC": _curve(gamma) for name in "rgb"}})


def grey_profile(gamma: float) -> bytes:
    """A grey scale's profile."""
    return _profile("GRAY", "XYZ ", {"kTRC": _curve(gamma)})


def cmyk_profile(lightness: int) -> bytes:
    """A printer whose paper and inks are one grey, of Lab lightness 0..255 for 0..100, and whose black is black."""
    identity = bytes(range(256))
    table = struct.pack(">4s4xBBBx9i", b"mft1", 4, 3, 2, *(np.eye(3, dtype=int).ravel() << 16).tolist())
    table += identity * 4 + (bytes([lightness, 128, 128]) + bytes([0, 128, 128])) * 2**3 + identity * 3
    return _profile("CMYK", "Lab ", {"A2B0": table}, b"prtr")


def to_srgb(colours: np.ndarray, primaries: np.ndarray, gamma: float) -> np.ndarray:
    """What colours 0..255 of such a screen are in sRGB, by arithmetic, float 0..255."""
    linear = (np.asarray(colours, float) / 255) ** gamma
    linear = (linear @ (np.linalg.inv(SRGB) @ primaries).T).clip(0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055) * 255


def _profile(space: str, connection: str, tags: dict[str, bytes], kind: bytes = b"mntr") -> bytes:
    tags = {"desc": b"desc" + struct.pack(">4xI", 5) + b"test\0" + b"\0" * 78, "wtpt": _xyz(D50), **tags}
    start, entries, data = 128 + 4 + 12 * len(tags), b"", b""
    for name, content in tags.items():
        entries += name.encode() + struct.pack(">II", start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    size = start + len(data)
    header = struct.pack(
        ">I4xI4s4s4s12x4s", size, 0x02400000, kind, space.encode(), connection.encode(), b"acsp"
    )
    header = header.ljust(68, b"\0") + _fixed(D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + data


def _fixed(values: object) -> bytes:
    return struct.pack(">3i", *(round(float(value) * 65536) for value in values))  # type: ignore[attr-defined]


def _xyz(values: object) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(values)


def _curve(gamma: float) -> bytes:
    return b"curv" + struct.pack(">4xIH", 1, round(gamma * 256))
