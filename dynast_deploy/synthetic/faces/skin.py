"""The skin of a face, with brows, nose and lips, painted with eyes and mouth shut."""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.common import colours
from dynast_deploy.synthetic.faces.expression import BROW_Y, EYE_WIDTH, MOUTH_WIDTH, eye_seam, mouth_seam
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.labels import PART_NUMBER
from dynast_deploy.synthetic.faces.texture import Box, Texture, blob, lay, noise, places, shade, soft

BOX = Box(-1.4, -1.0, 1.4, 1.0)


def paint_skin(face: Face) -> Texture:
    """The texture of `Layer.SKIN`: labelled skin, brows, nose and lips."""
    a, y = places(BOX)
    rng = np.random.default_rng([face.seed, 11])
    picture = np.empty((*a.shape, 3), np.float32)
    picture[:] = face.complexion.skin
    picture *= (1 + 0.012 * noise(a.shape, (30, 30), rng) + 0.008 * noise(a.shape, (3, 3), rng))[..., None]
    label = np.full(a.shape, PART_NUMBER["skin"], np.uint8)
    _complexion(face, picture, a, y, rng)
    _sockets(face, picture, a, y)
    _nose(face, picture, label, a, y)
    _beard(face, picture, a, y, rng)
    _lips(face, picture, label, a, y)
    _brows(face, picture, label, a, y, rng)
    return Texture(BOX, np.clip(picture, 0, 255).astype(np.uint8), label)


def _complexion(
    face: Face, picture: np.ndarray, a: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> None:
    skin = face.complexion
    cheeks = blob(np.abs(a), y, (0.4, 0.25), (0.2, 0.16))
    lay(picture, 0.55 * skin.blush * cheeks, colours.mix(skin.skin, (225.0, 80.0, 80.0), 0.5))
    shade(picture, 0.10 * blob(a, y, (0, 0.76), (0.16, 0.035)))
    shade(picture, 0.12 * soft(np.abs(a) - 0.75, 0.6))
    for sign in (-1, 1):
        fold = np.abs(sign * a - 0.17 - 0.35 * (y - 0.3))
        inside = soft(y - 0.26, 0.1) * soft(0.62 - y, 0.12)
        shade(picture, (0.07 + 0.12 * skin.lines) * np.exp(-((fold / 0.02) ** 2)) * inside)
    for height in (-0.42, -0.5, -0.57):
        line = np.exp(-(((y - height - 0.03 * a * a) / 0.012) ** 2)) * soft(0.4 - np.abs(a), 0.2)
        shade(picture, 0.16 * skin.lines * line)
    if skin.freckles:
        for _ in range(round(70 * skin.freckles)):
            spot = (float(rng.normal(0, 0.32)), float(rng.normal(0.15, 0.13)))
            shade(picture, 0.3 * blob(a, y, spot, (0.012, 0.012)))
    if skin.mark is not None:
        lay(picture, 0.85 * soft(0.02 - np.hypot(a - skin.mark[0], y - skin.mark[1])), (70.0, 40.0, 30.0))
    if skin.paint == "stripes":
        for height in (0.1, 0.18, 0.26):
            bar = soft(0.022 - np.abs(y - height)) * soft(0.13 - np.abs(np.abs(a) - 0.44))
            lay(picture, 0.9 * bar, skin.paint_colour)
    elif skin.paint == "dots":
        for k in range(5):
            spot = np.hypot(np.abs(a) - 0.3 - 0.065 * k, y - 0.17 + 0.02 * (k - 2) ** 2 / 2)
            lay(picture, 0.9 * soft(0.022 - spot), skin.paint_colour)


def _sockets(face: Face, picture: np.ndarray, a: np.ndarray, y: np.ndarray) -> None:
    eyes, seam = face.eyes, eye_seam(face, a)
    t = (np.abs(a) - eyes.gap) / (EYE_WIDTH * eyes.size)
    over = seam - y
    shade(picture, 0.13 * blob(np.abs(a), y, (eyes.gap - 0.06, -0.1), (0.15, 0.1)))
    shade(picture, 0.09 * blob(np.abs(a), y, (eyes.gap, 0.07), (0.15, 0.04)))
    width = soft(1.15 - np.abs(t), 0.3)
    if eyes.shadow is not None:
        fade = soft(over, 0.01) * np.clip(1 - over / 0.17, 0, 1)
        lay(picture, 0.75 * fade * width, eyes.shadow)
    crease = np.exp(-(((over - 0.045 - eyes.crease * np.maximum(1 - t * t, 0)) / 0.013) ** 2))
    shade(picture, 0.30 * crease * width)
    lashes = soft(0.018 + 0.026 * eyes.lashes - np.abs(over - 0.012)) * soft(
        1.08 + 0.12 * eyes.lashes - np.abs(t), 0.08
    )
    lay(picture, (0.55 + 0.4 * eyes.lashes) * lashes * (over > -0.004), (36.0, 26.0, 24.0))
    lower = np.exp(-(((over + 0.008) / 0.009) ** 2)) * soft(1 - np.abs(t), 0.1)
    shade(picture, 0.35 * lower)


def _nose(face: Face, picture: np.ndarray, label: np.ndarray, a: np.ndarray, y: np.ndarray) -> None:
    size = face.nose
    along = np.clip((y + 0.12) / 0.44, 0, 1)
    half = 0.045 + (0.128 * size - 0.045) * along**2.2
    bottom = 0.325 + 0.025 * np.cos(np.clip(a / (0.13 * size), -1, 1) * np.pi)
    label[(np.abs(a) < half) & (y > -0.12) & (y < bottom)] = PART_NUMBER["nose"]
    bridge = soft(y + 0.16, 0.16) * soft(0.2 - y, 0.2)
    shade(picture, 0.12 * np.exp(-(((np.abs(a) - 0.085) / 0.035) ** 2)) * bridge)
    skin = face.complexion.skin
    lay(picture, 0.30 * np.exp(-((a / 0.028) ** 2)) * bridge, colours.lighter(skin, 0.6))
    lay(picture, 0.40 * blob(a, y, (0, 0.2), (0.045, 0.045)), colours.lighter(skin, 0.6))
    wing = np.hypot((np.abs(a) - 0.088 * size) / (0.048 * size), (y - 0.265) / 0.062)
    rim = np.exp(-(((wing - 1) / 0.22) ** 2))
    shade(picture, 0.30 * rim * ((np.abs(a) > 0.085 * size) | (y > 0.29)))
    under = np.exp(-(((y - bottom) / 0.018) ** 2)) * soft(0.125 * size - np.abs(a), 0.05)
    shade(picture, 0.26 * under)
    lay(picture, 0.8 * blob(np.abs(a), y, (0.06 * size, 0.31), (0.026 * size, 0.013)), (60.0, 30.0, 26.0))
    shade(picture, 0.07 * blob(a, y, (0, 0.43), (0.03, 0.07)))


def _beard(face: Face, picture: np.ndarray, a: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> None:
    skin = face.complexion
    if skin.beard == "none" and not skin.stubble:
        return
    hairs = 0.75 + 0.25 * np.clip(noise(a.shape, (6, 1.3), rng), -1.5, 1.5)
    grows = soft(y - 0.36 - 0.25 * np.exp(-((a / 0.35) ** 2)) + 0.5 * np.maximum(np.abs(a) - 0.5, 0), 0.06)
    lip = soft(0.06 - np.abs(y - 0.45 - 0.25 * a * a), 0.03) * soft(0.27 - np.abs(a), 0.08)
    chin = soft(0.22 - np.abs(a), 0.06) * soft(y - 0.65, 0.05)
    beard = {"full": np.maximum(grows, lip), "goatee": np.maximum(chin, lip), "moustache": lip}.get(
        skin.beard
    )
    ink = colours.darker(face.brows.colour, 0.1)
    if skin.stubble:
        lay(picture, 0.28 * skin.stubble * np.maximum(grows, lip) * hairs, ink)
    if beard is not None:
        lay(picture, np.clip(0.92 * beard * hairs, 0, 1), ink)


def _lips(face: Face, picture: np.ndarray, label: np.ndarray, a: np.ndarray, y: np.ndarray) -> None:
    mouth, seam = face.mouth, mouth_seam(a)
    t = a / (MOUTH_WIDTH * mouth.width)
    round_ = np.maximum(1 - t * t, 0)
    bow = 1 - 0.22 * np.exp(-((a / 0.035) ** 2))
    top = 0.078 * mouth.fullness * round_**0.9 * bow
    low = 0.098 * mouth.fullness * round_**0.7
    over = seam - y
    upper = soft(top - over, 0.012) * (over >= 0) * (round_ > 0)
    lower = soft(low + over, 0.012) * (over < 0) * (round_ > 0)
    lay(picture, 0.92 * upper, colours.darker(mouth.lips, 0.16))
    lay(picture, 0.92 * lower, mouth.lips)
    gloss = blob(a, y, (-0.02, 0.62), (0.10, 0.018)) * lower
    lay(picture, 0.35 * gloss, colours.lighter(mouth.lips, 0.7))
    shade(picture, 0.55 * np.exp(-((over / 0.008) ** 2)) * soft(1.04 - np.abs(t), 0.08))
    shade(picture, 0.18 * blob(np.abs(a), y, (MOUTH_WIDTH * mouth.width + 0.01, 0.56), (0.025, 0.025)))
    label[upper > 0.5] = PART_NUMBER["u_lip"]
    label[lower > 0.5] = PART_NUMBER["l_lip"]


def _brows(
    face: Face, picture: np.ndarray, label: np.ndarray, a: np.ndarray, y: np.ndarray, rng: np.random.Generator
) -> None:
    brows = face.brows
    t = (np.abs(a) - 0.27) / 0.185
    line = BROW_Y + 0.01 - brows.lift - 0.045 * brows.arch * (1 - (t - 0.25) ** 2)
    half = 0.033 * brows.thickness * np.clip(1.05 - 0.5 * (t + 0.3) ** 2, 0.25, 1)
    inside = soft(half - np.abs(y - line), 0.02) * soft(1 - np.abs(t), 0.12)
    hairs = np.clip(0.82 + 0.16 * noise(a.shape, (3.5, 2.0), rng), 0, 1)
    lay(picture, inside * hairs, brows.colour)
    label[(inside > 0.5) & (a < 0)] = PART_NUMBER["l_brow"]
    label[(inside > 0.5) & (a > 0)] = PART_NUMBER["r_brow"]


def paint_eyes(face: Face) -> Texture:
    """The texture of `Layer.EYES`: both eyeballs, looking straight ahead."""
    box = Box(-0.65, -0.3, 0.65, 0.3)
    a, y = places(box)
    across, down = np.abs(a) - face.eyes.gap, y - eye_seam(face, a) + 0.02
    picture = np.empty((*a.shape, 3), np.float32)
    picture[:] = (240, 236, 232)
    shade(picture, 0.22 * np.clip(np.abs(across) / 0.16, 0, 1) ** 2)
    away = np.hypot(across, down)
    radius = 0.074 * face.eyes.size
    iris = colours.darker(face.eyes.iris, 0.45)
    lay(picture, soft(radius - away), iris)
    angle = np.arctan2(down, across)
    rays = 0.75 + 0.25 * np.sin(23 * angle + face.seed) * np.sin(9 * angle)
    lay(picture, soft(0.86 * radius - away, 0.012) * rays, face.eyes.iris)
    lay(picture, soft(0.42 * radius - away), (14.0, 12.0, 14.0))
    lay(
        picture,
        0.95 * soft(0.018 - np.hypot(across * np.sign(a) + 0.026, down + 0.028)),
        (255.0, 255.0, 255.0),
    )
    label = np.where(a < 0, PART_NUMBER["l_eye"], PART_NUMBER["r_eye"]).astype(np.uint8)
    return Texture(box, np.clip(picture, 0, 255).astype(np.uint8), label)


def paint_mouth(face: Face) -> Texture:
    """The texture of `Layer.MOUTH`: teeth, tongue and what is dark behind them."""
    box = Box(-0.4, 0.4, 0.4, 0.85)
    a, y = places(box)
    picture = np.empty((*a.shape, 3), np.float32)
    picture[:] = (70, 22, 26)
    lay(picture, soft(0.09 - np.hypot(a / 2.0, y - 0.72), 0.03), (188.0, 86.0, 88.0))
    edge = mouth_seam(a) + 0.035 - 0.1 * a * a
    teeth = soft(edge - y, 0.01) * soft(0.21 * face.mouth.width - np.abs(a), 0.03)
    lay(picture, teeth, face.mouth.teeth)
    gaps = np.exp(-((((np.abs(a) / 0.05 + 0.0) % 1.0 - 0.5) / 0.07) ** 2)) * teeth
    shade(picture, 0.16 * gaps)
    label = np.full(a.shape, PART_NUMBER["mouth"], np.uint8)
    return Texture(box, np.clip(picture, 0, 255).astype(np.uint8), label)


def paint_ear(face: Face) -> Texture:
    """The texture of both ears: `a` from 0 at the head to 1 at the rim, y from -1 to 1; the left one mirrored."""
    box = Box(0.0, -1.0, 1.0, 1.0)
    a, y = places(box)
    shape = np.hypot((a - 0.1) / (0.88 - 0.16 * y), y / 0.98)
    picture = np.empty((*a.shape, 3), np.float32)
    picture[:] = colours.mix(face.complexion.skin, (215.0, 110.0, 95.0), 0.10)
    inner = np.exp(-(((np.hypot((a - 0.1) / 0.56, (y + 0.1) / 0.62) - 1) / 0.22) ** 2))
    shade(picture, 0.28 * inner + 0.16 * soft(0.5 - np.hypot(a / 0.5, (y - 0.02) / 0.6), 0.4))
    shade(picture, 0.25 * soft(shape - 0.93, 0.15))
    inside = shape < 1
    if face.clothing.earring is not None:
        ring = np.hypot((a - 0.35) / 0.22, (y - 0.8) / 0.14)
        lay(picture, soft(1 - ring, 0.2), face.clothing.earring)
        inside |= ring < 1
    return Texture(box, np.clip(picture, 0, 255).astype(np.uint8), inside.astype(np.uint8))
