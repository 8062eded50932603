"""The painted textures of trousers, skirts and shoes.

Every painter takes the body and the texture's height and width in texels and gives float32 [H, W, 3] RGB
0..255; rows run with v from 0 to 1, columns with u from -1 to 1.
"""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.common.cloth import folds, paint_cloth
from dynast_deploy.synthetic.common.colours import darker, lighter
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.limbs import TROUSER_START
from dynast_deploy.synthetic.people.surface import Surface, band, blend, soft


def paint_pelvis(body: Body, h: int, w: int) -> np.ndarray:
    """Hips of trousers, with waistband or belt, fly and pockets. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    who = body.who
    bottom, surface = who.bottom, Surface(body.trunk.pelvis, h, w, tube=False)
    x, y, texel = surface.x, surface.y, surface.texel
    picture = paint_cloth(bottom.cloth, x, y, texel)
    picture *= folds((h, w), bottom.cloth.seed + 2, 0.02)[..., None]
    dark = darker(bottom.cloth.base, 0.35)
    blend(picture, 0.5 * band(y, 0.022, 0.026, texel), dark)
    blend(picture, 0.5 * soft(0.0012 - np.abs(x), texel) * band(y, 0.025, 0.095, texel), dark)
    if bottom.kind in ("jeans", "trousers", "shorts"):
        pocket = np.abs(np.hypot((np.abs(x) - 0.105) / 0.05, (y - 0.02) / 0.055) - 1)
        blend(picture, 0.6 * soft(0.0014 - pocket * 0.05, texel) * soft(y - 0.025, texel), dark)
    if bottom.belt is not None:
        blend(picture, band(y, 0.003, 0.022, texel), bottom.belt)
        buckle = soft(0.012 - np.abs(x), texel) * band(y, 0.001, 0.025, texel)
        blend(picture, buckle, (214.0, 186.0, 110.0))
        blend(
            picture,
            soft(0.0065 - np.abs(x), texel) * band(y, 0.007, 0.019, texel),
            darker(bottom.belt, 0.3),
        )
    # Lower down the hips run into the legs without a seam.
    flat = np.clip((y - 0.05) / 0.06, 0, 1)
    result: np.ndarray = picture * (surface.light + (0.985 - surface.light) * flat)[..., None]
    return result


def paint_trouser(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of a trouser leg, float32 `[h, w, 3]` in 0..255."""
    who, tube = body.who, body.legs[0]["trouser"]
    bottom, p = who.bottom, who.proportions
    surface = Surface(tube.sheet, h, w, tube=True, start=TROUSER_START)
    x, y, texel = surface.x, surface.y, surface.texel
    picture = paint_cloth(bottom.cloth, x + 0.045, y + 0.085, texel)
    picture *= folds((h, w), bottom.cloth.seed + 3, 0.03)[..., None]
    end = tube.s[-1]
    if end > p.thigh:
        knee = np.exp(-(((y - p.thigh) / 0.035) ** 2))
        ankle = np.exp(-(((y - end + 0.02) / 0.025) ** 2)) if bottom.kind != "leggings" else 0 * y
        picture *= (1 + 0.05 * np.sin(300 * (y + 0.5 * x)) * (0.8 * knee + ankle))[..., None]
    dark = darker(bottom.cloth.base, 0.4)
    if bottom.kind == "jeans":
        worn = np.exp(-(((y - 0.6 * p.thigh) / 0.09) ** 2) - (x / 0.02) ** 2)
        blend(picture, 0.30 * worn, lighter(bottom.cloth.base, 0.5))
        blend(picture, soft(y - end + 0.016, texel), lighter(bottom.cloth.base, 0.3))
    else:
        blend(picture, 0.5 * band(y, end - 0.011, end - 0.0085, texel), dark)
    flat = np.clip(1 - (y - 0.03) / 0.09, 0, 1)
    result: np.ndarray = picture * (surface.light + (0.985 - surface.light) * flat)[..., None]
    return result


def paint_skirt(body: Body, h: int, w: int) -> np.ndarray:
    """A skirt with falling folds. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    who, sheet = body.who, body.trunk.skirt
    assert sheet is not None
    bottom, surface = who.bottom, Surface(sheet, h, w, tube=False)
    x, y, texel = surface.x, surface.y, surface.texel
    from_waist = y + (body.trunk.torso_length - 0.008 if who.top.kind == "dress" else 0.0)
    picture = paint_cloth(bottom.cloth, x, from_waist, texel)
    u = np.linspace(-1, 1, w)[None, :]
    v = np.linspace(0, 1, h)[:, None]
    deep = 0.10 * v * (0.35 + 0.65 * bottom.flare)
    picture *= (1 + deep * np.cos(u * 19 + 0.6 * np.sin(3 * v)))[..., None]
    blend(
        picture,
        0.5 * band(v, 1 - 0.012 / sheet.length, 1 - 0.009 / sheet.length, 1 / h) * np.ones_like(u),
        darker(bottom.cloth.base, 0.4),
    )
    if bottom.belt is not None and who.top.kind != "dress":
        blend(picture, soft(0.02 - y, texel), bottom.belt)
    result: np.ndarray = picture * (0.5 + 0.5 * surface.light[..., None])
    return result


def paint_shoe(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of a shoe, float32 `[h, w, 3]` in 0..255."""
    shoes = body.who.shoes
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = shoes.colour
    u = np.linspace(-1, 1, w)[None, :] * np.ones((h, 1))
    v = np.linspace(0, 1, h)[:, None] * np.ones((1, w))
    picture *= (1.04 - 0.16 * v - 0.1 * u**4)[..., None]
    texel = 1.3 / h
    if shoes.kind == "trainer":
        blend(picture, soft(u - 0.62 - 0.1 * np.cos(v * 6), 2 / w), lighter(shoes.sole, 0.1))
        for line in (0.02, 0.22, 0.42):
            blend(
                picture,
                0.9 * soft(0.05 - np.abs(u - line), 2 / w) * soft(0.45 - v, texel),
                (250.0, 250.0, 248.0),
            )
        blend(
            picture,
            soft(0.07 - np.abs(u + 0.45 + 0.5 * (v - 0.5)), 2 / w) * soft(v - 0.25, texel),
            shoes.accent,
        )
    elif shoes.kind == "plain":
        blend(picture, 0.8 * soft(0.08 - np.abs(u - 0.3), 2 / w) * soft(0.5 - v, texel), shoes.accent)
    sole = 0.80 if shoes.kind == "trainer" else 0.88
    blend(picture, soft(v - sole, texel), shoes.sole)
    return picture
