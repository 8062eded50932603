"""The painted textures of skin, hair and garments.

Every painter takes the body and the texture's height and width in texels and gives float32 [H, W, 3] RGB 0..255;
rows run with v from 0 to 1, columns with u from -1 to 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.marionette.body import Body
from dynast_deploy.marionette.cloth import folds, paint_cloth
from dynast_deploy.marionette.colours import Colour, darker, lighter, mix
from dynast_deploy.marionette.limbs import SLEEVE_START, TROUSER_START
from dynast_deploy.marionette.shapes import draw_print
from dynast_deploy.marionette.sheet import Sheet
from dynast_deploy.marionette.trunk import AROUND

_SHIFT = 4


class _Surface:
    """The measure of a sheet's texture: `x` around and `y` along the body (body heights, float32 [H, W]), and
    `light`, the soft shade of a round body (float32 [1, W])."""

    def __init__(self, sheet: Sheet, h: int, w: int, tube: bool, start: float = 0.0) -> None:
        u = np.linspace(-1, 1, w, dtype=np.float32)[None, :]
        v = np.linspace(0, 1, h, dtype=np.float32)[:, None]
        self.texel = sheet.length / h
        self.start = start
        self.half = sheet.width / 2
        if tube:
            angle = np.arcsin(np.clip(u, -0.999, 0.999))
            self.x = np.broadcast_to(angle * sheet.width / np.pi, (h, w))
        else:
            angle = u * AROUND
            self.x = np.broadcast_to(u * self.half, (h, w))
        front = np.cos(angle)
        self.y = (start + v * sheet.length + 0.05 * sheet.width * np.maximum(front, 0)).astype(np.float32)
        self.light = (0.80 + 0.22 * np.clip(front + 0.12 * np.sin(angle) * (not tube), 0, 1) ** 0.7).astype(np.float32)

    def polygon(self, picture: np.ndarray, points: list[tuple[float, float]], ink: Colour) -> None:
        """Fill a polygon given in body heights (flat sheets only: the texture's columns are linear in x)."""
        h, w = picture.shape[:2]
        at = np.array(points)
        column = (at[:, 0] / self.half + 1) / 2 * (w - 1)
        row = (at[:, 1] - self.start) / self.texel
        fixed = np.round(np.stack([column, row], axis=1) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(picture, [fixed], ink, cv2.LINE_AA, _SHIFT)


def _blend(picture: np.ndarray, cover: np.ndarray, ink: Colour | np.ndarray) -> None:
    picture += cover[..., None].astype(np.float32) * (np.asarray(ink, np.float32) - picture)


def _soft(distance: np.ndarray, texel: float) -> np.ndarray:
    """1 where `distance` is positive, 0 where it is negative, one and a half texels soft."""
    return np.clip(distance / (1.5 * texel) + 0.5, 0, 1)


def _band(y: np.ndarray, start: float, end: float, texel: float) -> np.ndarray:
    return _soft(y - start, texel) * _soft(end - y, texel)


def _skin(body: Body, shape: tuple[int, int]) -> np.ndarray:
    picture = np.empty((*shape, 3), np.float32)
    picture[:] = body.who.skin
    return picture


def paint_arm(body: Body, h: int, w: int) -> np.ndarray:
    picture = _skin(body, (h, w))
    picture *= _Surface(body.arms[0]["arm"].sheet, h, w, tube=True).light[..., None]
    return picture


def paint_hand(body: Body, h: int, w: int) -> np.ndarray:
    """A hand with its fingers told apart by fine lines."""
    picture = _skin(body, (h, w))
    u = np.linspace(-1, 1, w)[None, :]
    v = np.linspace(0, 1, h)[:, None]
    picture *= (1 - 0.10 * u**4)[..., None]
    for line in (-0.48, 0.0, 0.48):
        cover = 0.30 * np.clip(1 - np.abs(u - line * (1.1 - 0.25 * v)) / 0.11, 0, 1) * np.clip((v - 0.56) / 0.08, 0, 1)
        _blend(picture, cover, darker(body.who.skin, 0.45))
    return picture


def paint_thumb(body: Body, h: int, w: int) -> np.ndarray:
    picture = _skin(body, (h, w))
    u = np.linspace(-1, 1, w)[None, :, None]
    return picture * (0.98 - 0.12 * np.clip(u, 0, 1) ** 2)


def paint_neck(body: Body, h: int, w: int) -> np.ndarray:
    """The neck in the chin's shade, or a rolled collar."""
    surface = _Surface(body.trunk.neck, h, w, tube=True)
    v = np.linspace(0, 1, h)[:, None]
    picture = _skin(body, (h, w))
    _blend(picture, np.broadcast_to(0.5 * np.clip(1.25 - 1.3 * v, 0, 1), (h, w)), darker(body.who.skin, 0.32))
    top = body.who.top
    if top.neckline == "high":
        cloth = paint_cloth(top.cloth, surface.x, surface.y, surface.texel)
        cloth *= (1 - 0.10 * np.cos(surface.x * 900))[..., None]
        _blend(picture, np.broadcast_to(_soft(v - 0.42, 2 / h), (h, w)), cloth * 0.93)
    return picture * surface.light[..., None]


def paint_ear(body: Body, h: int, w: int) -> np.ndarray:
    picture = _skin(body, (h, w)) * 0.95
    u = np.linspace(-1, 1, w)[None, :]
    v = np.linspace(0, 1, h)[:, None]
    inner = np.clip(1.1 - np.hypot((u + 0.1) / 0.55, (v - 0.45) / 0.3) ** 2, 0, 0.8)
    _blend(picture, inner, darker(mix(body.who.skin, (220.0, 90.0, 80.0), 0.25), 0.14))
    return picture


def paint_sleeve(body: Body, h: int, w: int) -> np.ndarray:
    who, tube = body.who, body.arms[0]["sleeve"]
    top, surface = who.top, _Surface(tube.sheet, h, w, tube=True, start=SLEEVE_START)
    picture = paint_cloth(top.cloth, surface.x, surface.y + 0.03, surface.texel)
    end = tube.s[-1]
    elbow = np.exp(-(((surface.y - who.proportions.upper_arm) / 0.03) ** 2))
    creases = np.sin(420 * (surface.y + 0.35 * np.abs(surface.x)) + 2 * surface.x * 60) * elbow
    picture *= (1 + 0.055 * creases * (end > who.proportions.upper_arm))[..., None]
    picture *= folds((h, w), top.cloth.seed, 0.03)[..., None]
    if top.kind in ("jumper", "jacket") or top.trim != darker(top.cloth.base, 0.14):
        deep = 0.024 if top.kind in ("jumper", "jacket") else 0.010
        cuff = _band(surface.y, end - deep, end + 1, surface.texel)
        _blend(picture, cuff, top.trim)
        if top.kind == "jumper":
            picture *= (1 - 0.08 * cuff * np.cos(surface.x * 1300))[..., None]
    else:
        _blend(picture, 0.5 * _band(surface.y, end - 0.008, end - 0.006, surface.texel), darker(top.cloth.base, 0.4))
    # At the shoulder the sleeve lies flat on the torso.
    flat = np.clip(1 - surface.y / 0.06, 0, 1)
    picture *= (surface.light + (1 - surface.light) * flat)[..., None]
    return picture * (1 - 0.14 * _soft(surface.y - end + 0.004, surface.texel))[..., None]


def paint_torso(body: Body, h: int, w: int) -> np.ndarray:
    """The upper garment with its neckline, print, hem and fastenings."""
    who, sheet = body.who, body.trunk.torso
    top, surface = who.top, _Surface(sheet, h, w, tube=False)
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
        draw_print(picture, top.print_shape, (column, place[1] / texel), top.print_size / texel, top.print_colour)
    end = sheet.length
    ribbed = top.kind in ("jumper", "jacket")
    if ribbed:
        hem = _soft(y - end + 0.022, texel)
        _blend(picture, hem, top.trim)
        picture *= (1 - 0.08 * hem * np.cos(x * 1300))[..., None]
    elif top.kind == "dress":
        if who.bottom.belt is not None:
            _blend(picture, _soft(y - end + 0.014, texel), who.bottom.belt)
    else:
        _blend(picture, 0.45 * _band(y, end - 0.010, end - 0.0075, texel), darker(top.cloth.base, 0.4))
    picture *= surface.light[..., None]
    _paint_neckline(picture, body, surface)
    return picture


_NECKLINES = {"round": (0.040, 0.030), "scoop": (0.050, 0.052), "vee": (0.040, 0.075), "high": (0.033, 0.004)}


def _paint_neckline(picture: np.ndarray, body: Body, surface: _Surface) -> None:
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
    _blend(picture, _soft((inside + 0.011 / scale * 0.8) * scale, texel), darker(top.trim, 0.06))
    shaded = np.array(darker(skin, 0.14), np.float32)
    bare = _soft(inside * scale, texel)
    chin = np.clip(1 - high / 0.05, 0, 1)[..., None] * np.float32(0.9)
    _blend(picture, bare, np.array(skin, np.float32) * (1 - chin) + shaded * chin)


def _paint_collar(picture: np.ndarray, body: Body, surface: _Surface) -> None:
    """Two points of a collar beside an open neck."""
    top = body.who.top
    jacket = top.neckline == "lapel"
    if not jacket:
        surface.polygon(picture, [(-0.03, -0.01), (0.03, -0.01), (0.004, 0.045), (-0.004, 0.045)], darker(body.who.skin, 0.1))
    ink = darker(top.cloth.base, 0.06) if jacket else lighter(top.cloth.base, 0.25)
    deep, wide = (0.062, 0.052) if jacket else (0.055, 0.042)
    inner = 0.020 if jacket else 0.003
    for side in (-1, 1):
        flap = [(side * 0.034, -0.01), (side * wide, 0.02), (side * (wide - 0.014), deep), (side * inner, deep - 0.016)]
        shadow = [(px + side * 0.002, py + 0.004) for px, py in flap]
        surface.polygon(picture, shadow, darker(top.cloth.base, 0.38))
        surface.polygon(picture, flap, ink)


def _paint_jacket(picture: np.ndarray, body: Body, surface: _Surface) -> None:
    top = body.who.top
    x, y, texel = surface.x, surface.y, surface.texel
    open_half = 0.020 + 0.05 * np.clip(y, 0, 1)
    inside = _soft(open_half - np.abs(x), texel)
    _blend(picture, inside, mix(top.inner, (250.0, 248.0, 244.0), 0.3))
    neck = _soft(0.03 - np.hypot(x / 1.2, y - 0.005), texel)
    _blend(picture, neck, darker(body.who.skin, 0.1))
    shade = np.clip(1 - (open_half - np.abs(x)) / 0.014, 0, 1) * inside
    picture *= (1 - 0.30 * shade)[..., None]
    edge = _soft(0.0035 - np.abs(np.abs(x) - open_half), texel)
    _blend(picture, 0.8 * edge, darker(top.cloth.base, 0.3))
    pocket = _soft(0.0016 - np.abs(y - 0.2 - 0.35 * (np.abs(x) - 0.06)), texel) * _band(np.abs(x), 0.052, 0.082, texel)
    _blend(picture, 0.8 * pocket, darker(top.cloth.base, 0.4))


def _paint_buttons(picture: np.ndarray, body: Body, surface: _Surface) -> None:
    top = body.who.top
    x, y, texel = surface.x, surface.y, surface.texel
    _blend(picture, 0.35 * _soft(0.0014 - np.abs(np.abs(x) - 0.010), texel), darker(top.cloth.base, 0.45))
    away = np.hypot(x, (y + 0.02) % 0.045 - 0.0225)
    _blend(picture, _soft(0.0042 - away, texel), darker(top.trim, 0.15))


def paint_pelvis(body: Body, h: int, w: int) -> np.ndarray:
    """Hips of trousers, with waistband or belt, fly and pockets."""
    who = body.who
    bottom, surface = who.bottom, _Surface(body.trunk.pelvis, h, w, tube=False)
    x, y, texel = surface.x, surface.y, surface.texel
    picture = paint_cloth(bottom.cloth, x, y, texel)
    picture *= folds((h, w), bottom.cloth.seed + 2, 0.02)[..., None]
    dark = darker(bottom.cloth.base, 0.35)
    _blend(picture, 0.5 * _band(y, 0.022, 0.026, texel), dark)
    _blend(picture, 0.5 * _soft(0.0012 - np.abs(x), texel) * _band(y, 0.025, 0.095, texel), dark)
    if bottom.kind in ("jeans", "trousers", "shorts"):
        pocket = np.abs(np.hypot((np.abs(x) - 0.105) / 0.05, (y - 0.02) / 0.055) - 1)
        _blend(picture, 0.6 * _soft(0.0014 - pocket * 0.05, texel) * _soft(y - 0.025, texel), dark)
    if bottom.belt is not None:
        _blend(picture, _band(y, 0.003, 0.022, texel), bottom.belt)
        buckle = _soft(0.012 - np.abs(x), texel) * _band(y, 0.001, 0.025, texel)
        _blend(picture, buckle, (214.0, 186.0, 110.0))
        _blend(picture, _soft(0.0065 - np.abs(x), texel) * _band(y, 0.007, 0.019, texel), darker(bottom.belt, 0.3))
    return picture * surface.light[..., None]


def paint_trouser(body: Body, h: int, w: int) -> np.ndarray:
    who, tube = body.who, body.legs[0]["trouser"]
    bottom, p = who.bottom, who.proportions
    surface = _Surface(tube.sheet, h, w, tube=True, start=TROUSER_START)
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
        _blend(picture, 0.30 * worn, lighter(bottom.cloth.base, 0.5))
        _blend(picture, _soft(y - end + 0.016, texel), lighter(bottom.cloth.base, 0.3))
    else:
        _blend(picture, 0.5 * _band(y, end - 0.011, end - 0.0085, texel), dark)
    flat = 0.7 * np.clip(1 - (y - 0.02) / 0.08, 0, 1)
    return picture * (surface.light + (0.97 - surface.light) * flat)[..., None]


def paint_leg(body: Body, h: int, w: int) -> np.ndarray:
    """Bare leg, sock and the hint of a knee."""
    who, tube = body.who, body.legs[0]["leg"]
    surface = _Surface(tube.sheet, h, w, tube=True, start=tube.s[0])
    x, y, texel = surface.x, surface.y, surface.texel
    p, shoes = who.proportions, who.shoes
    picture = _skin(body, (h, w))
    knee = np.clip(1 - np.hypot(x / 0.018, (y - p.thigh) / 0.018), 0, 1)
    _blend(picture, 0.30 * knee, darker(mix(who.skin, (220.0, 90.0, 80.0), 0.2), 0.1))
    if shoes.kind == "boot":
        top = p.leg - (0.035 + 0.2 * shoes.sock * p.thigh)
        _blend(picture, _soft(y - top, texel), shoes.colour)
        _blend(picture, 0.9 * _band(y, top, top + 0.009, texel), shoes.accent)
    elif shoes.sock > 0:
        top = p.leg - shoes.sock * p.thigh
        sock = _soft(y - top, texel)
        _blend(picture, sock, shoes.sock_colour)
        _blend(picture, 0.8 * _band(y, top + 0.006, top + 0.014, texel), mix(shoes.sock_colour, shoes.accent, 0.7))
    return picture * surface.light[..., None]


def paint_skirt(body: Body, h: int, w: int) -> np.ndarray:
    """A skirt with falling folds."""
    who, sheet = body.who, body.trunk.skirt
    assert sheet is not None
    bottom, surface = who.bottom, _Surface(sheet, h, w, tube=False)
    x, y, texel = surface.x, surface.y, surface.texel
    from_waist = y + (body.trunk.torso_length - 0.008 if who.top.kind == "dress" else 0.0)
    picture = paint_cloth(bottom.cloth, x, from_waist, texel)
    u = np.linspace(-1, 1, w)[None, :]
    v = np.linspace(0, 1, h)[:, None]
    deep = 0.10 * v * (0.35 + 0.65 * bottom.flare)
    picture *= (1 + deep * np.cos(u * 19 + 0.6 * np.sin(3 * v)))[..., None]
    _blend(picture, 0.5 * _band(v, 1 - 0.012 / sheet.length, 1 - 0.009 / sheet.length, 1 / h) * np.ones_like(u), darker(bottom.cloth.base, 0.4))
    if bottom.belt is not None and who.top.kind != "dress":
        _blend(picture, _soft(0.02 - y, texel), bottom.belt)
    return picture * (0.5 + 0.5 * surface.light[..., None])


def paint_shoe(body: Body, h: int, w: int) -> np.ndarray:
    who, shoes = body.who, body.who.shoes
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = shoes.colour
    u = np.linspace(-1, 1, w)[None, :] * np.ones((h, 1))
    v = np.linspace(0, 1, h)[:, None] * np.ones((1, w))
    picture *= (1.04 - 0.16 * v - 0.1 * u**4)[..., None]
    texel = 1.3 / h
    if shoes.kind == "trainer":
        _blend(picture, _soft(u - 0.62 - 0.1 * np.cos(v * 6), 2 / w), lighter(shoes.sole, 0.1))
        for line in (0.02, 0.22, 0.42):
            _blend(picture, 0.9 * _soft(0.05 - np.abs(u - line), 2 / w) * _soft(0.45 - v, texel), (250.0, 250.0, 248.0))
        _blend(picture, _soft(0.07 - np.abs(u + 0.45 + 0.5 * (v - 0.5)), 2 / w) * _soft(v - 0.25, texel), shoes.accent)
    elif shoes.kind == "plain":
        _blend(picture, 0.8 * _soft(0.08 - np.abs(u - 0.3), 2 / w) * _soft(0.5 - v, texel), shoes.accent)
    sole = 0.80 if shoes.kind == "trainer" else 0.88
    _blend(picture, _soft(v - sole, texel), shoes.sole)
    return picture


def _strands(body: Body, h: int, w: int, across: np.ndarray) -> np.ndarray:
    """Hair colour with fine strands along the rows' direction and a soft shine."""
    hair = body.who.hair
    rng = np.random.default_rng(int(sum(hair.colour) * 100))
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = hair.colour
    noise = rng.normal(0, 1, (1, max(8, w // 3))).astype(np.float32)
    strands = cv2.resize(noise, (w, 1), interpolation=cv2.INTER_LINEAR)
    return picture * (1 + 0.055 * strands * across)[..., None]


def paint_hair(body: Body, h: int, w: int) -> np.ndarray:
    hair = body.who.hair
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(-1, 1, w)[None, :]
    picture = _strands(body, h, w, np.ones_like(v))
    shine = np.exp(-(((v - 0.55) / 0.16) ** 2)) * np.exp(-(((u - 0.12) / 0.42) ** 2)) * (0.7 + 0.3 * np.cos(u * 60))
    _blend(picture, 0.22 * shine, lighter(hair.colour, 0.65))
    picture *= (1 - 0.16 * np.clip(1 - v / 0.14, 0, 1) - 0.12 * np.clip((v - 0.8) / 0.2, 0, 1))[..., None]
    if hair.style == "curls":
        picture *= (1 + 0.07 * np.sin(u * 60) * np.sin(v * 16))[..., None]
    if hair.style == "shaved":
        _blend(picture, np.full((h, w), 0.22), body.who.skin)
    return picture


def paint_hair_back(body: Body, h: int, w: int) -> np.ndarray:
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(-1, 1, w)[None, :]
    picture = _strands(body, h, w, np.ones_like(v)) * 0.88
    picture *= (1 - 0.12 * u**2 + 0.05 * np.cos(u * 25 + 2 * v))[..., None]
    if body.who.hair.style == "curls":
        picture *= (1 + 0.06 * np.sin(u * 18) * np.sin(v * 30))[..., None]
    return picture


def paint_hat(body: Body, h: int, w: int) -> np.ndarray:
    """A knitted hat with a rolled brim."""
    colour = body.who.hair.hat
    assert colour is not None
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(-1, 1, w)[None, :]
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = colour
    _blend(picture, np.broadcast_to(_soft(0.27 - v, 1.5 / h), (h, w)), lighter(colour, 0.22))
    picture *= (1 + 0.07 * np.cos(u * 70) - 0.12 * u**2)[..., None]
    return picture * (1 - 0.3 * np.exp(-(((v - 0.29) / 0.035) ** 2)))[..., None]
