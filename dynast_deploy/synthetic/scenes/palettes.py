"""Palettes: the few colours that a painting is mixed from."""

from __future__ import annotations

import colorsys

import numpy as np


def sample_palette(rng: np.random.Generator) -> np.ndarray:
    """float32 [5, 3], 0..255, from dark to light: neighbours, opposites or a triad on the colour circle."""
    hue, spread = rng.random(), rng.choice((0.04, 0.1, 0.33, 0.5))
    levels = np.linspace(rng.uniform(0.06, 0.2), rng.uniform(0.88, 1.0), 5)
    palette = []
    for k, level in enumerate(levels):
        turned = (hue + spread * (k % 3) + rng.normal(0, 0.02)) % 1
        strength = float(np.clip(rng.uniform(0.25, 0.95) * (1.15 - 0.6 * level), 0, 1))
        palette.append([255 * c for c in colorsys.hsv_to_rgb(turned, strength, level)])
    return np.array(palette, np.float32)


def recolour(picture: np.ndarray, palette: np.ndarray, share: float) -> np.ndarray:
    """`share` of each pixel's colour replaced by the palette's at its lightness; float32 [S, S, 3]."""
    light = picture @ np.array([0.30, 0.59, 0.11], np.float32)
    low, high = np.percentile(light, (2, 98))
    level = np.clip((light - low) / max(high - low, 1) * (len(palette) - 1), 0, len(palette) - 1)
    steps = np.arange(len(palette))
    mixed = np.stack([np.interp(level, steps, palette[:, c]) for c in range(3)], axis=-1)
    result: np.ndarray = (picture + share * (mixed - picture)).astype(np.float32)
    return result
