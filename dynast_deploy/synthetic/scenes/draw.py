"""Whole pictures from a seed."""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.scenes.palettes import recolour, sample_palette
from dynast_deploy.synthetic.scenes.subjects import CHANCES, SCENES
from dynast_deploy.synthetic.scenes.techniques import TECHNIQUES

FIRST_EVALUATION_SEED = 1_000_000


def paint_content(seed: int, size: int) -> np.ndarray:
    """A scene, uint8 [size, size, 3] RGB."""
    return _eight_bits(_scene(np.random.default_rng([seed, 23]), size))


def paint_style(seed: int, size: int) -> np.ndarray:
    """A scene painted in some technique from some palette, uint8 [size, size, 3] RGB."""
    rng = np.random.default_rng([seed, 29])
    technique = TECHNIQUES[rng.integers(len(TECHNIQUES))]
    palette = sample_palette(rng)
    share = rng.uniform(0.5, 1.0) if rng.random() < 0.75 else 0.0
    scene = recolour(_scene(rng, size), palette, share)
    return _eight_bits(technique(rng, scene, palette))


def _scene(rng: np.random.Generator, size: int) -> np.ndarray:
    return SCENES[int(rng.choice(len(SCENES), p=CHANCES))](rng, size)


def _eight_bits(picture: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.clip(np.rint(picture), 0, 255).astype(np.uint8)
    return result
