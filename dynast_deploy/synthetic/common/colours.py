"""Colours of skin, hair, cloth and backdrops, as RGB triples of floats in 0..255."""

from __future__ import annotations

import colorsys
from typing import TypeAlias

import numpy as np

Colour: TypeAlias = tuple[float, float, float]

SKINS: tuple[Colour, ...] = (
    (253, 226, 205),
    (247, 210, 183),
    (240, 196, 162),
    (229, 178, 140),
    (213, 156, 115),
    (190, 131, 92),
    (163, 106, 72),
    (131, 83, 58),
    (104, 66, 48),
)
HAIRS: tuple[Colour, ...] = (
    (38, 31, 32),
    (58, 40, 34),
    (84, 55, 38),
    (115, 74, 45),
    (150, 98, 55),
    (189, 138, 79),
    (222, 184, 118),
    (236, 211, 160),
    (165, 71, 38),
    (198, 96, 48),
    (150, 150, 155),
    (222, 220, 216),
)
DYED_HAIRS: tuple[Colour, ...] = ((92, 70, 140), (42, 110, 130), (200, 90, 130), (60, 110, 80))
CLOTHS: tuple[Colour, ...] = (
    (214, 64, 58),
    (176, 42, 54),
    (233, 112, 78),
    (244, 162, 74),
    (242, 196, 84),
    (250, 224, 140),
    (166, 190, 86),
    (98, 156, 92),
    (46, 112, 88),
    (66, 166, 158),
    (38, 120, 140),
    (110, 182, 220),
    (62, 124, 196),
    (40, 72, 140),
    (34, 44, 82),
    (120, 98, 178),
    (176, 136, 204),
    (128, 60, 112),
    (218, 96, 146),
    (244, 170, 186),
    (150, 96, 62),
    (196, 158, 116),
    (232, 214, 184),
    (246, 242, 232),
    (160, 164, 168),
    (86, 92, 102),
    (48, 48, 54),
)
DENIMS: tuple[Colour, ...] = ((58, 84, 128), (84, 118, 164), (40, 54, 86), (128, 158, 192), (56, 58, 66))


def jitter(colour: Colour, rng: np.random.Generator, amount: float = 1.0) -> Colour:
    """A near neighbour of `colour`: hue, saturation and brightness moved a little."""
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in colour))
    h = (h + amount * rng.normal(0, 0.015)) % 1.0
    s = float(np.clip(s * (1 + amount * rng.normal(0, 0.10)), 0, 1))
    v = float(np.clip(v * (1 + amount * rng.normal(0, 0.06)), 0.1, 1))
    return _from_hsv(h, s, v)


def any_cloth(rng: np.random.Generator) -> Colour:
    """A cloth colour: mostly from the palette, sometimes anything that a dyer could mix."""
    if rng.random() < 0.7:
        return jitter(CLOTHS[rng.integers(len(CLOTHS))], rng)
    return _from_hsv(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.3, 0.95))


def contrasting_cloth(rng: np.random.Generator, *others: Colour, least: float = 90.0) -> Colour:
    """A cloth colour at least `least` away (weighted RGB distance) from the others, if one turns up soon."""
    best, best_distance = any_cloth(rng), -1.0
    for _ in range(12):
        candidate = any_cloth(rng)
        distance = min(difference(candidate, other) for other in others)
        if distance > best_distance:
            best, best_distance = candidate, distance
        if distance >= least:
            break
    return best


def backdrop(rng: np.random.Generator) -> Colour:
    """A light, quiet wall colour."""
    return _from_hsv(rng.random(), 0.02 + 0.16 * rng.random() ** 1.5, rng.uniform(0.90, 0.98))


def difference(a: Colour, b: Colour) -> float:
    """How far apart two colours look: RGB distance, green counted most, blue least."""
    dr, dg, db = (x - y for x, y in zip(a, b, strict=True))
    return float((0.9 * dr * dr + 1.4 * dg * dg + 0.7 * db * db) ** 0.5)


def mix(a: Colour, b: Colour, share: float) -> Colour:
    """`share` of `b` in `a`."""
    r, g, b_ = (x + (y - x) * share for x, y in zip(a, b, strict=True))
    return (r, g, b_)


def darker(colour: Colour, by: float) -> Colour:
    """The colour in shade: multiplied by 1 - `by`, turned a little towards blue-violet."""
    r, g, b = colour
    return (r * (1 - by), g * (1 - by * 1.04), b * (1 - by * 0.9))


def lighter(colour: Colour, by: float) -> Colour:
    """The colour with `by` of a warm white in it. `by` is a share, 0..1."""
    return mix(colour, (255.0, 252.0, 244.0), by)


def _from_hsv(h: float, s: float, v: float) -> Colour:
    r, g, b = colorsys.hsv_to_rgb(h, s, v)
    return (r * 255, g * 255, b * 255)
