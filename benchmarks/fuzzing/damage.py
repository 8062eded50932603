"""Damage to the bytes of a file, whatever is in it."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

Damage = Callable[[bytes, Random], bytes]

_NUMBERS = (
    0,
    1,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**62,
    2**63 - 1,
)


def flip_bits(data: bytes, rng: Random) -> bytes:
    """Some bits inverted."""
    found = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
    return bytes(found)


def flip_early(data: bytes, rng: Random) -> bytes:
    """Headers are short, and decide more than what follows."""
    head = rng.choice((64, 512, 4096))
    return flip_bits(data[:head], rng) + data[head:]


def overwrite(data: bytes, rng: Random) -> bytes:
    """A number that is large, negative or at a border, in the place of another."""
    width, code = rng.choice(((1, "B"), (2, "H"), (4, "I"), (8, "Q")))
    number = struct.pack(rng.choice("<>") + code, rng.choice(_NUMBERS) % (1 << (8 * width)))
    at = rng.randrange(len(data))
    return data[:at] + number + data[at + width :]


def truncate(data: bytes, rng: Random) -> bytes:
    """The file, cut off at a random place."""
    return data[: rng.randrange(len(data))]


def splice(data: bytes, rng: Random) -> bytes:
    """A copy of a piece of the file in another place."""
    start, at = rng.randrange(len(data)), rng.randrange(len(data))
    return data[:at] + data[start : start + rng.choice((1, 16, 256, 4096))] + data[at:]


def remove(data: bytes, rng: Random) -> bytes:
    """The file without a piece."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice((1, 4, 64, 1024)) :]


def fill(data: bytes, rng: Random) -> bytes:
    """A piece overwritten with one byte value."""
    at, length = rng.randrange(len(data)), rng.choice((4, 64, 1024))
    return data[:at] + bytes([rng.choice((0, 255, 0x80))]) * length + data[at + length :]


BYTES: tuple[Damage, ...] = (
    flip_bits, flip_bits, flip_early, flip_early, overwrite, overwrite, truncate, splice, remove, fill,
)  # fmt: skip


def damaged_bytes(data: bytes, rng: Random) -> bytes:
    """One to three of the above, one after the other."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        if data:
            data = rng.choice(BYTES)(data, rng)
    return data
