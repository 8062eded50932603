"""The painted textures of bare skin: arms, hands, neck, ears and legs (with their socks).

Every painter takes the body and the texture's height and width in texels and gives float32 [H, W, 3] RGB
0..255; rows run with v from 0 to 1, columns with u from -1 to 1.
"""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.common.cloth import paint_cloth
from dynast_deploy.synthetic.common.colours import darker, mix
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.surface import Surface, band, bare_skin, blend, soft


def paint_arm(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of an arm, float32 `[h, w, 3]` in 0..255."""
    picture = bare_skin(body, (h, w))
    picture *= Surface(body.arms[0]["arm"].sheet, h, w, tube=True).light[..., None]
    return picture


def paint_hand(body: Body, h: int, w: int) -> np.ndarray:
    """A hand whose fingers are separated by fine lines. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    picture = bare_skin(body, (h, w))
    u = np.linspace(-1, 1, w)[None, :]
    v = np.linspace(0, 1, h)[:, None]
    picture *= (1 - 0.10 * u**4)[..., None]
    for line in (-0.48, 0.0, 0.48):
        cover = (
            0.30
            * np.clip(1 - np.abs(u - line * (1.1 - 0.25 * v)) / 0.11, 0, 1)
            * np.clip((v - 0.56) / 0.08, 0, 1)
        )
        blend(picture, cover, darker(body.who.skin, 0.45))
    return picture


def paint_thumb(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of a thumb, float32 `[h, w, 3]` in 0..255."""
    picture = bare_skin(body, (h, w))
    u = np.linspace(-1, 1, w)[None, :, None]
    return picture * (0.98 - 0.12 * np.clip(u, 0, 1) ** 2)


def paint_neck(body: Body, h: int, w: int) -> np.ndarray:
    """The neck in the chin's shade, or a rolled collar. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    surface = Surface(body.trunk.neck, h, w, tube=True)
    v = np.linspace(0, 1, h)[:, None]
    picture = bare_skin(body, (h, w))
    blend(picture, np.broadcast_to(0.5 * np.clip(1.25 - 1.3 * v, 0, 1), (h, w)), darker(body.who.skin, 0.32))
    top = body.who.top
    if top.neckline == "high":
        cloth = paint_cloth(top.cloth, surface.x, surface.y, surface.texel)
        cloth *= (1 - 0.10 * np.cos(surface.x * 900))[..., None]
        blend(picture, np.broadcast_to(soft(v - 0.42, 2 / h), (h, w)), cloth * 0.93)
    return picture * surface.light[..., None]


def paint_ear(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of an ear, float32 `[h, w, 3]` in 0..255."""
    picture = bare_skin(body, (h, w)) * 0.95
    u = np.linspace(-1, 1, w)[None, :]
    v = np.linspace(0, 1, h)[:, None]
    inner = np.clip(1.1 - np.hypot((u + 0.1) / 0.55, (v - 0.45) / 0.3) ** 2, 0, 0.8)
    blend(picture, inner, darker(mix(body.who.skin, (220.0, 90.0, 80.0), 0.25), 0.14))
    return picture


def paint_leg(body: Body, h: int, w: int) -> np.ndarray:
    """Bare leg, sock and the hint of a knee. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    who, tube = body.who, body.legs[0]["leg"]
    surface = Surface(tube.sheet, h, w, tube=True, start=tube.s[0])
    x, y, texel = surface.x, surface.y, surface.texel
    p, shoes = who.proportions, who.shoes
    picture = bare_skin(body, (h, w))
    knee = np.clip(1 - np.hypot(x / 0.018, (y - p.thigh) / 0.018), 0, 1)
    blend(picture, 0.30 * knee, darker(mix(who.skin, (220.0, 90.0, 80.0), 0.2), 0.1))
    if shoes.kind == "boot":
        top = p.leg - (0.035 + 0.2 * shoes.sock * p.thigh)
        blend(picture, soft(y - top, texel), shoes.colour)
        blend(picture, 0.9 * band(y, top, top + 0.009, texel), shoes.accent)
    elif shoes.sock > 0:
        top = p.leg - shoes.sock * p.thigh
        sock = soft(y - top, texel)
        blend(picture, sock, shoes.sock_colour)
        blend(
            picture,
            0.8 * band(y, top + 0.006, top + 0.014, texel),
            mix(shoes.sock_colour, shoes.accent, 0.7),
        )
    return picture * surface.light[..., None]
