"""Cloth: how a motif looks on a piece of garment, as a function of the place on the body."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from dynast_deploy.synthetic.common.shapes import shape_mask
from dynast_deploy.synthetic.common.traits import Cloth, Motif


def paint_cloth(cloth: Cloth, x: np.ndarray, y: np.ndarray, texel: float) -> np.ndarray:
    """float32 [H, W, 3] RGB 0..255 of a cloth at `x`, `y` (float32 [H, W], body heights), drawn with edges
    one `texel` (body heights) soft."""
    layers = _MOTIFS[cloth.motif](cloth, x, y, texel)
    colour = np.empty((*x.shape, 3), np.float32)
    colour[:] = cloth.base
    for cover, ink in zip(layers, (cloth.second, cloth.third), strict=False):
        colour += cover[..., None].astype(np.float32) * (np.array(ink, np.float32) - colour)
    return colour


def _bars(x: np.ndarray, period: float, share: float, texel: float) -> np.ndarray:
    """Soft bars across x: 1 over `share` of each `period`, centred on its multiples."""
    away = np.abs((x / period + 0.5) % 1.0 - 0.5) * period
    return np.clip((0.5 * share * period - away) / (1.5 * texel) + 0.5, 0, 1)


def _plain(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    return []


def _stripes(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    layers = [_bars(y, c.period, (0.3, 0.45, 0.55)[c.seed % 3], t)]
    if c.seed % 5 < 2:
        layers.append(_bars(y + c.period, 2 * c.period, 0.22, t))
    return layers


def _upright(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    return [_bars(x, 0.7 * c.period, (0.25, 0.4)[c.seed % 2], t)]


def _diagonals(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    return [_bars(0.7071 * (x + y), c.period, 0.42, t)]


def _checks(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    p = 0.85 * c.period
    across, along = _bars(x, p, 0.5, t), _bars(y, p, 0.5, t)
    if c.seed % 2:
        return [0.5 * (across + along)]
    return [across + along - 2 * across * along]


def _plaid(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    p = 1.3 * c.period
    wide = 0.45 * (_bars(x, p, 0.45, t) + _bars(y, p, 0.45, t))
    thin = 0.8 * np.maximum(_bars(x + p / 2, p, 0.09, t), _bars(y + p / 2, p, 0.09, t))
    return [wide, thin]


def _lattice(
    x: np.ndarray, y: np.ndarray, period: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Offsets to the nearest point of a brick lattice, and that point's column and row."""
    row = np.floor(y / (0.85 * period) + 0.5)
    shifted = x / period + 0.5 * (row % 2)
    column = np.floor(shifted + 0.5)
    return (shifted - column) * period, y - row * 0.85 * period, column, row


def _dots(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    dx, dy, column, _ = _lattice(x, y, c.period)
    radius = (0.22, 0.3, 0.34)[c.seed % 3] * c.period
    cover = np.clip((radius - np.hypot(dx, dy)) / (1.5 * t) + 0.5, 0, 1)
    if c.seed % 4 == 0:
        return [cover * (column % 2 == 0), cover * (column % 2 != 0)]
    return [cover]


def _diamonds(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    a, b = x / 1.1 + y / 1.6, x / 1.1 - y / 1.6
    across, along = _bars(a, 1.5 * c.period, 0.5, t), _bars(b, 1.5 * c.period, 0.5, t)
    lines = np.maximum(_bars(a, 0.75 * c.period, 0.07, t), _bars(b, 0.75 * c.period, 0.07, t))
    return [across * along, 0.7 * lines]


def _zigzag(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    wave = np.abs((x / c.period) % 1.0 - 0.5) * c.period
    return [_bars(y + wave, c.period, 0.36, t), _bars(y + wave + c.period / 2, 2 * c.period, 0.2, t)]


def _sprinkle(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    dx, dy, column, row = _lattice(x, y, 1.15 * c.period)
    # A cheap hash of the lattice point: every shape is turned and coloured for itself.
    chance = (np.sin(column * 12.9898 + row * 78.233 + c.seed % 1000) * 43758.5453) % 1.0
    angle = (chance - 0.5) * (1.2 if c.shape in ("heart", "drop") else 6.2)
    radius = 0.42 * c.period
    cos, sin = np.cos(angle) / radius, np.sin(angle) / radius
    cover = shape_mask(c.shape, dx * cos + dy * sin, dy * cos - dx * sin, 1.6 * t / radius)
    other = (chance * 7.0) % 1.0 < 0.4
    return [cover * ~other, cover * other]


def _blocks(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    edge = (0.10, 0.14, 0.18)[c.seed % 3]
    below = np.clip((y - edge) / (1.5 * t) + 0.5, 0, 1)
    band = np.clip((0.016 - np.abs(y - edge)) / (1.5 * t) + 0.5, 0, 1)
    return [below, band * (c.seed % 2)]


def _clouds(c: Cloth, x: np.ndarray, y: np.ndarray, t: float) -> list[np.ndarray]:
    rng = np.random.default_rng(c.seed)
    layers = []
    for level in (0.25, 0.45):
        field = np.zeros_like(x)
        for _ in range(5):
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            k = 2 * np.pi / (c.period * rng.uniform(0.9, 2.2))
            field += np.sin(k * (np.cos(angle) * x + np.sin(angle) * y) + phase)
        layers.append(np.clip((field / 2.2 - level) / (3 * t / c.period) + 0.5, 0, 1))
    return layers


_MOTIFS: dict[Motif, Callable[[Cloth, np.ndarray, np.ndarray, float], list[np.ndarray]]] = {
    Motif.PLAIN: _plain,
    Motif.STRIPES: _stripes,
    Motif.UPRIGHT_STRIPES: _upright,
    Motif.DIAGONALS: _diagonals,
    Motif.CHECKS: _checks,
    Motif.PLAID: _plaid,
    Motif.DOTS: _dots,
    Motif.DIAMONDS: _diamonds,
    Motif.ZIGZAG: _zigzag,
    Motif.SPRINKLE: _sprinkle,
    Motif.BLOCKS: _blocks,
    Motif.CLOUDS: _clouds,
}


def folds(shape: tuple[int, int], seed: int, strength: float) -> np.ndarray:
    """Soft light and shade of hanging cloth: float32 [H, W] factors around 1."""
    rng = np.random.default_rng(seed)
    h, w = shape
    coarse = rng.normal(0, 1, (max(3, h // 26), max(3, w // 14))).astype(np.float32)
    wide = cv2.resize(coarse, (w, h), interpolation=cv2.INTER_CUBIC)
    return 1 + strength * wide
