"""The painted textures of hair and hats.

Every painter takes the body and the texture's height and width in texels and gives float32 [H, W, 3] RGB
0..255; rows run with v from 0 to 1, columns with u from -1 to 1.
"""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.common.colours import lighter
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.surface import blend, soft


def _strands(body: Body, h: int, w: int, across: np.ndarray) -> np.ndarray:
    """Hair colour with fine strands along the rows' direction and a soft shine."""
    hair = body.who.hair
    rng = np.random.default_rng(int(sum(hair.colour) * 100))
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = hair.colour
    noise = rng.normal(0, 1, (1, max(8, w // 3))).astype(np.float32)
    strands = cv2.resize(noise, (w, 1), interpolation=cv2.INTER_LINEAR)
    result: np.ndarray = picture * (1 + 0.055 * strands * across)[..., None]
    return result


def paint_hair(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of the hair in front, float32 `[h, w, 3]` in 0..255."""
    hair = body.who.hair
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(-1, 1, w)[None, :]
    picture = _strands(body, h, w, np.ones_like(v))
    shine = (
        np.exp(-(((v - 0.55) / 0.16) ** 2))
        * np.exp(-(((u - 0.12) / 0.42) ** 2))
        * (0.7 + 0.3 * np.cos(u * 60))
    )
    blend(picture, 0.22 * shine, lighter(hair.colour, 0.65))
    picture *= (1 - 0.16 * np.clip(1 - v / 0.14, 0, 1) - 0.12 * np.clip((v - 0.8) / 0.2, 0, 1))[..., None]
    if hair.style == "curls":
        picture *= (1 + 0.07 * np.sin(u * 60) * np.sin(v * 16))[..., None]
    if hair.style == "shaved":
        blend(picture, np.full((h, w), 0.22), body.who.skin)
    return picture


def paint_hair_back(body: Body, h: int, w: int) -> np.ndarray:
    """The texture of the hair behind the head, float32 `[h, w, 3]` in 0..255."""
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(-1, 1, w)[None, :]
    picture = _strands(body, h, w, np.ones_like(v)) * 0.88
    picture *= (1 - 0.12 * u**2 + 0.05 * np.cos(u * 25 + 2 * v))[..., None]
    if body.who.hair.style == "curls":
        picture *= (1 + 0.06 * np.sin(u * 18) * np.sin(v * 30))[..., None]
    return picture


def paint_hat(body: Body, h: int, w: int) -> np.ndarray:
    """A knitted hat with a rolled brim. `[h, w, 3]`, RGB 0..255; h and w in texels."""
    colour = body.who.hair.hat
    assert colour is not None
    v = np.linspace(0, 1, h)[:, None]
    u = np.linspace(-1, 1, w)[None, :]
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = colour
    blend(picture, np.broadcast_to(soft(0.27 - v, 1.5 / h), (h, w)), lighter(colour, 0.22))
    picture *= (1 + 0.07 * np.cos(u * 70) - 0.12 * u**2)[..., None]
    return picture * (1 - 0.3 * np.exp(-(((v - 0.29) / 0.035) ** 2)))[..., None]
