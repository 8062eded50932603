"""The painted textures of upper garments: torso and sleeves.

Every painter takes the body and the texture's height and width in texels and gives float32 [H, W, 3] RGB
0..255; rows run with v from 0 to 1, columns with u from -1 to 1.
"""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.common.cloth import folds, paint_cloth
from dynast_deploy.synthetic.common.colours import darker, lighter, mix
from dynast_deploy.synthetic.common.shapes import draw_print
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.limbs import SLEEVE_START
from dynast_deploy.synthetic.people.surface import Surface, band, blend, soft


def paint_sleeve(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of a sleeve, float32 `[h, w, 3]` in 0..255."""
    who, tube = body.who, body.arms[0]["sleeve"]
    top, surface = who.top, Surface(tube.sheet, h, w, tube=True, start=SLEEVE_START)
    picture = paint_cloth(top.cloth, surface.x, surface.y + 0.03, surface.texel)
    end = tube.s[-1]
    elbow = np.exp(-(((surface.y - who.proportions.upper_arm) / 0.03) ** 2))
    creases = np.sin(420 * (surface.y + 0.35 * np.abs(surface.x)) + 2 * surface.x * 60) * elbow
    picture *= (1 + 0.055 * creases * (end > who.proportions.upper_arm))[..., None]
    picture *= folds((h, w), top.cloth.seed, 0.03)[..., None]
    if top.kind in ("jumper", "jacket") or top.trim != darker(top.cloth.base, 0.14):
        deep = 0.024 if top.kind in ("jumper", "jacket") else 0.010
        cuff = band(surface.y, end - deep, end + 1, surface.texel)
        blend(picture, cuff, top.trim)
        if top.kind == "jumper":
            picture *= (1 - 0.08 * cuff * np.cos(surface.x * 1300))[..., None]
    else:
        blend(
            picture,
            0.5 * band(surface.y, end - 0.008, end - 0.006, surface.texel),
            darker(top.cloth.base, 0.4),
        )
    # At the shoulder the sleeve lies flat on the torso.
    flat = np.clip(1 - surface.y / 0.06, 0, 1)
    picture *= (surface.light + (1 - surface.light) * flat)[..., None]
    return picture * (1 - 0.14 * soft(surface.y - end + 0.004, surface.texel))[..., None]


def paint_torso(body: Body, h: int, w: int) -> np.ndarray:
    """The upper garment with its neckline, print, hem and fastenings. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    who, sheet = body.who, body.trunk.torso
    top, surface = who.top, Surface(sheet, h, w, tube=False)
    x, y, texel = surface.x, surface.y, surface.texel
    picture = paint_cloth(top.cloth, x, y, texel)
    picture *= folds((h, w), top.cloth.seed + 1, 0.028)[..., None]
    waist = np.exp(-(((y - 0.2) / 0.05) ** 2)) * np.clip((np.abs(x) - 0.03) / 0.06, 0, 1)
    picture *= (1 + 0.045 * waist * np.sin(230 * (y - 0.5 * np.abs(x))))[..., None]
    if top.kind == "jacket":
        _paint_jacket(picture, body, surface)
    if top.kind == "shirt":
        _paint_buttons(picture, body, surface)
    if top.print_shape != "none":
        small = top.print_size < 0.03
        place = (0.038, 0.075) if small else (0.0, 0.115)
        column = (place[0] / surface.half + 1) / 2 * (w - 1)
        draw_print(
            picture, top.print_shape, (column, place[1] / texel), top.print_size / texel, top.print_colour
        )
    end = sheet.length
    ribbed = top.kind in ("jumper", "jacket")
    if ribbed:
        hem = soft(y - end + 0.022, texel)
        blend(picture, hem, top.trim)
        picture *= (1 - 0.08 * hem * np.cos(x * 1300))[..., None]
    elif top.kind == "dress":
        if who.bottom.belt is not None:
            blend(picture, soft(y - end + 0.014, texel), who.bottom.belt)
    else:
        blend(picture, 0.45 * band(y, end - 0.010, end - 0.0075, texel), darker(top.cloth.base, 0.4))
    picture *= surface.light[..., None]
    _paint_neckline(picture, body, surface)
    return picture


_NECKLINES = {"round": (0.040, 0.030), "scoop": (0.050, 0.052), "vee": (0.040, 0.075), "high": (0.033, 0.004)}


def _paint_neckline(picture: np.ndarray, body: Body, surface: Surface) -> None:
    top, skin = body.who.top, body.who.skin
    x, y, texel = surface.x, surface.y, surface.texel
    if top.neckline in ("collar", "lapel"):
        _paint_collar(picture, body, surface)
        return
    wide, deep = _NECKLINES[top.neckline]
    wide *= 0.75 + 0.25 * body.who.proportions.build
    high = y - 0.012
    if top.neckline == "vee":
        inside = 1 - np.abs(x) / wide - high / deep
        scale = wide * 0.8
    else:
        inside = 1 - np.hypot(x / wide, np.maximum(high, 0) / deep)
        scale = min(wide, deep)
    blend(picture, soft((inside + 0.011 / scale * 0.8) * scale, texel), darker(top.trim, 0.06))
    shaded = np.array(darker(skin, 0.14), np.float32)
    bare = soft(inside * scale, texel)
    chin = np.clip(1 - high / 0.05, 0, 1)[..., None] * np.float32(0.9)
    blend(picture, bare, np.array(skin, np.float32) * (1 - chin) + shaded * chin)


def _paint_collar(picture: np.ndarray, body: Body, surface: Surface) -> None:
    """Two points of a collar next to an open neck."""
    top = body.who.top
    jacket = top.neckline == "lapel"
    if not jacket:
        surface.polygon(
            picture,
            [(-0.03, -0.01), (0.03, -0.01), (0.004, 0.045), (-0.004, 0.045)],
            darker(body.who.skin, 0.1),
        )
    ink = darker(top.cloth.base, 0.06) if jacket else lighter(top.cloth.base, 0.25)
    deep, wide = (0.062, 0.052) if jacket else (0.055, 0.042)
    inner = 0.020 if jacket else 0.003
    for side in (-1, 1):
        flap = [
            (side * 0.034, -0.01),
            (side * wide, 0.02),
            (side * (wide - 0.014), deep),
            (side * inner, deep - 0.016),
        ]
        shadow = [(px + side * 0.002, py + 0.004) for px, py in flap]
        surface.polygon(picture, shadow, darker(top.cloth.base, 0.38))
        surface.polygon(picture, flap, ink)


def _paint_jacket(picture: np.ndarray, body: Body, surface: Surface) -> None:
    top = body.who.top
    x, y, texel = surface.x, surface.y, surface.texel
    open_half = 0.020 + 0.05 * np.clip(y, 0, 1)
    inside = soft(open_half - np.abs(x), texel)
    blend(picture, inside, mix(top.inner, (250.0, 248.0, 244.0), 0.3))
    neck = soft(0.03 - np.hypot(x / 1.2, y - 0.005), texel)
    blend(picture, neck, darker(body.who.skin, 0.1))
    shade = np.clip(1 - (open_half - np.abs(x)) / 0.014, 0, 1) * inside
    picture *= (1 - 0.30 * shade)[..., None]
    edge = soft(0.0035 - np.abs(np.abs(x) - open_half), texel)
    blend(picture, 0.8 * edge, darker(top.cloth.base, 0.3))
    pocket = soft(0.0016 - np.abs(y - 0.2 - 0.35 * (np.abs(x) - 0.06)), texel) * band(
        np.abs(x), 0.052, 0.082, texel
    )
    blend(picture, 0.8 * pocket, darker(top.cloth.base, 0.4))


def _paint_buttons(picture: np.ndarray, body: Body, surface: Surface) -> None:
    top = body.who.top
    x, y, texel = surface.x, surface.y, surface.texel
    blend(picture, 0.35 * soft(0.0014 - np.abs(np.abs(x) - 0.010), texel), darker(top.cloth.base, 0.45))
    away = np.hypot(x, (y + 0.02) % 0.045 - 0.0225)
    blend(picture, soft(0.0042 - away, texel), darker(top.trim, 0.15))
