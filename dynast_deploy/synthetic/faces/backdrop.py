"""Shoulders, clothes, glasses and what is behind the head."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.common import colours
from dynast_deploy.synthetic.common.cloth import folds, paint_cloth
from dynast_deploy.synthetic.faces.expression import EYE_Y
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.labels import OTHER, PART_NUMBER
from dynast_deploy.synthetic.faces.texture import TEXEL, Box, Texture, lay, noise, places, shade, soft

TORSO_BOX = Box(-2.2, 0.3, 2.2, 2.4)
GLASSES_BOX = Box(-1.4, -0.5, 1.4, 0.4)
LENS = OTHER + 1
"""Label of a lens in the texture of glasses: a part of them that shows what is behind it."""

_CLOTH_SCALE = 3.4  # half head heights to a body height, in which cloth is measured


def paint_torso(face: Face) -> Texture:
    """The texture of `Layer.TORSO`: neck, shoulders and clothes."""
    x, y = places(TORSO_BOX)
    skull, clothing = face.skull, face.clothing
    half_neck = 0.60 * skull.width
    beyond = np.maximum(np.abs(x) - half_neck, 0)
    shoulder = 1.18 + 0.30 * (1 - np.exp(-beyond / 0.12)) * (beyond > 0) + 0.13 * beyond**1.5
    inside = np.where(np.abs(x) < half_neck, True, y > shoulder)
    picture = np.empty((*x.shape, 3), np.float32)
    picture[:] = colours.darker(face.complexion.skin, 0.06)
    shade(picture, 0.25 * soft(np.abs(x) - half_neck + 0.1, 0.2) * soft(1.35 - y, 0.2))
    shade(picture, 0.10 * np.exp(-(((np.abs(x) - 0.16 - 0.2 * (1.6 - y)) / 0.03) ** 2)) * soft(y - 1.25, 0.2))
    cut = {"round": 1.52 - 0.9 * x * x, "vee": 1.86 - 1.2 * np.abs(x), "collar": 1.52 - 0.8 * np.abs(x)}
    dressed = y - cut[clothing.neckline]
    dressed = np.maximum(dressed, (np.abs(x) - 0.72) * 0.8)
    cloth = paint_cloth(clothing.cloth, x / _CLOTH_SCALE, y / _CLOTH_SCALE, TEXEL / _CLOTH_SCALE)
    cloth *= folds(x.shape, face.seed, 0.06)[..., None]
    shade(picture, 0.3 * np.exp(-np.maximum(-dressed, 0) / 0.05))
    lay(picture, soft(dressed), cloth)
    if clothing.neckline == "collar":
        flap = soft(0.2 - np.abs(dressed - 0.1), 0.01) * (np.abs(x) < 0.75) * (np.abs(x) > 0.03)
        lay(picture, flap, colours.lighter(clothing.cloth.base, 0.25))
        shade(picture, 0.25 * np.exp(-(((dressed - 0.3) / 0.02) ** 2)) * (np.abs(x) < 0.75))
    else:
        hem = np.exp(-(((dressed - 0.05) / 0.012) ** 2))
        shade(picture, 0.25 * hem)
    return Texture(
        TORSO_BOX, np.clip(picture, 0, 255).astype(np.uint8), np.where(inside, OTHER, 0).astype(np.uint8)
    )


def paint_glasses(face: Face) -> Texture:
    """The texture of `Layer.GLASSES`: rims, bridge and temples; `LENS` where one looks through."""
    assert face.glasses is not None
    a, y = places(GLASSES_BOX)
    glasses = face.glasses
    across = (np.abs(a) - face.eyes.gap - 0.01) / (0.225 * glasses.size)
    down = (y - EYE_Y - 0.03) / (0.175 * glasses.size)
    power = 2 + 2.5 * glasses.square
    ring = (np.abs(across) ** power + np.abs(down) ** power) ** (1 / power) - 1
    rim = np.abs(ring) < glasses.rim / 0.19
    bridge = (np.abs(a) < face.eyes.gap - 0.19) & (np.abs(y - EYE_Y + 0.03 - 0.5 * a * a) < glasses.rim)
    temples = (np.abs(a) > face.eyes.gap + 0.23) & (np.abs(y - EYE_Y + 0.02) < 0.8 * glasses.rim)
    label = np.where(ring < 0, LENS, 0).astype(np.uint8)
    label[rim | bridge | temples] = PART_NUMBER["eye_g"]
    picture = np.empty((*a.shape, 3), np.float32)
    picture[:] = glasses.colour
    picture *= (1 + 0.25 * soft(-down, 1.2))[..., None]
    return Texture(GLASSES_BOX, np.clip(picture, 0, 255).astype(np.uint8), label)


def paint_backdrop(face: Face, size: int) -> np.ndarray:
    """uint8 [size, size, 3]: what is behind, out of focus."""
    backdrop = face.backdrop
    rng = np.random.default_rng([backdrop.seed, 19])
    grid = 192
    at = (np.arange(grid, dtype=np.float32) + 0.5) / grid
    x, y = np.meshgrid(at, at)
    picture = np.empty((grid, grid, 3), np.float32)
    picture[:] = backdrop.first
    if backdrop.kind == "gradient":
        angle = rng.uniform(0, 2 * np.pi)
        lay(
            picture,
            np.clip(0.5 + np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5), 0, 1),
            backdrop.second,
        )
    elif backdrop.kind == "bokeh":
        picture *= 0.75
        for _ in range(18):
            spot, radius = rng.uniform(0, 1, 2), rng.uniform(0.03, 0.11)
            ink = colours.mix(backdrop.second, colours.any_cloth(rng), 0.5)
            lay(picture, 0.6 * soft(radius - np.hypot(x - spot[0], y - spot[1]), 0.012), ink)
    elif backdrop.kind == "stripes":
        angle, period = rng.uniform(0, np.pi), rng.uniform(0.08, 0.2)
        wave = np.sin((np.cos(angle) * x + np.sin(angle) * y) * 2 * np.pi / period)
        lay(picture, soft(wave, 0.3), backdrop.second)
    elif backdrop.kind == "leaves":
        for grain in (40, 18):
            lay(picture, soft(noise((grid, grid), (grain, grain), rng) - 0.3, 0.4), backdrop.second)
            picture *= 0.9
    picture *= (1.03 - 0.25 * ((x - 0.5) ** 2 + (y - 0.5) ** 2))[..., None]
    enlarged = cv2.resize(np.clip(picture, 0, 255), (size, size), interpolation=cv2.INTER_LINEAR)
    result: np.ndarray = np.clip(enlarged + 0.5, 0, 255).astype(np.uint8)
    return result
