"""Hair: the shell around the head, what hangs behind it, and their textures."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dynast_deploy.synthetic.common import colours
from dynast_deploy.synthetic.faces.geometry import WIDEST, from_table, heights
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.labels import PART_NUMBER
from dynast_deploy.synthetic.faces.texture import Box, Texture, lay, noise, places, shade, soft

BOX = Box(-1.4, -1.4, 1.4, 2.0)
_BUN = (0.0, -1.22)


def shell_width(face: Face, y: np.ndarray) -> np.ndarray:
    """Half the width of the hair's shell at heights y, float32: a dome over the head, straight down at the sides.

    `y` may have any shape; lengths in half head heights.
    """
    return from_table(_shell_profile(face), y)


@lru_cache(maxsize=64)
def _shell_profile(face: Face) -> np.ndarray:
    hair, y = face.hair, heights()
    width = face.skull.width * (1 + 0.85 * hair.volume)
    above = np.clip((WIDEST - y) / (1 + hair.volume + WIDEST), 0, 1)
    below = np.maximum(y - WIDEST, 0)
    flare = 0.05 + 0.16 * (hair.style in ("bob", "long", "curls"))
    hang = 1 + flare * below - 0.12 * below**2
    curls = 0.035 * hair.wave * (hair.style == "curls") * np.sin(17 * y + face.seed % 7)
    result: np.ndarray = (
        width * np.where(y < WIDEST, (1 - above**2.4) ** 0.5, np.maximum(hang, 0.2)) * (1 + curls)
    )
    return result


def paint_shell(face: Face) -> Texture:
    """The texture of `Layer.HAIR`: label 0 where the shell is open and shows the face."""
    a, y = places(BOX)
    rng = np.random.default_rng([face.seed, 13])
    hair = face.hair
    strands = noise((1, a.shape[1]), (1, 5), rng) * 0.5 + noise((1, a.shape[1]), (1, 13), rng)
    ragged = {"shaved": 0.008, "crop": 0.025, "curls": 0.05}.get(hair.style, 0.03)
    front = hair.hairline + hair.sweep * a + 0.16 * a * a + ragged * strands
    if hair.style == "curls":
        front = front + 0.03 * np.sin(19 * a + face.seed % 5)
    reach = 0.56 if hair.side > 0 else 0.66
    down = np.clip((np.abs(a) - reach) / 0.16, 0, 1)
    # Towards the back the hair of short styles ends above the ears again.
    side = hair.side - 0.0 * a + ragged * strands
    edge = front * (1 - down**1.5) + side * down**1.5
    inside = y < edge
    picture = _strands(face, a, y, rng)
    shade(picture, 0.45 * np.exp(-np.maximum(edge - y, 0) / 0.05))
    label = np.where(inside, PART_NUMBER["hair"], 0).astype(np.uint8)
    return Texture(BOX, np.clip(picture, 0, 255).astype(np.uint8), label)


def paint_back(face: Face) -> Texture:
    """The texture of `Layer.HAIR_BACK`, over places (x, y) in the head's frame; label 0 where nothing hangs."""
    box = Box(-1.4, -1.7, 1.4, 2.1)
    a, y = places(box)
    rng = np.random.default_rng([face.seed, 17])
    hair = face.hair
    picture = _strands(face, a, y, rng)
    shade(picture, np.full(a.shape, 0.35))
    strands = 0.04 * noise((1, a.shape[1]), (1, 9), rng)
    width = shell_width(face, y) * (
        0.98 if hair.style in ("bob", "long", "curls") else 0.98 - 0.2 * (y > 0.05)
    )
    inside = (np.abs(a) < width) & (y < hair.back + strands) & (y > -1)
    if hair.style == "bun":
        away = np.hypot(a - _BUN[0], y - _BUN[1])
        bun = away < 0.3 + 0.01 * np.sin(20 * np.arctan2(y - _BUN[1], a))
        lay(picture, bun * (0.6 + 0.4 * np.sin(30 * (away + 0.4 * a))), hair.colour)
        shade(picture, 0.5 * bun * soft(away - 0.24, 0.12))
        inside |= bun
    label = np.where(inside, PART_NUMBER["hair"], 0).astype(np.uint8)
    return Texture(box, np.clip(picture, 0, 255).astype(np.uint8), label)


def _strands(face: Face, a: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 [H, W, 3]: strands that fall from the crown, waves, dye and a shine."""
    hair = face.hair
    flow = a + hair.wave * 0.05 * np.sin(7 * y + 2.5 * a) - 0.10 * hair.sweep * (y + 1)
    spread = flow / np.clip(1.15 + 0.45 * y, 0.45, 1.25)
    fine, coarse = noise((1, 900), (1, 4), rng)[0], noise((1, 900), (1, 17), rng)[0]
    at = (spread / 6.4 + 0.5) * 899
    across = np.arange(900)
    tone = 0.6 * np.interp(at, across, fine) + 0.7 * np.interp(at, across, coarse)
    if hair.style == "curls":
        tone = (
            1.0 * np.sin(21 * a + 2.2 * np.sin(15 * y)) * np.sin(19 * y + 1.9 * np.sin(17 * a)) + 0.4 * tone
        )
    elif hair.style == "shaved":
        tone = noise(a.shape, (1.2, 1.2), rng)
    picture = np.empty((*a.shape, 3), np.float32)
    picture[:] = hair.colour
    if hair.dye == "streaks":
        lay(picture, soft(np.interp(at, across, np.roll(coarse, 211)) - 0.55, 0.25), hair.second)
    elif hair.dye == "tips":
        lay(
            picture,
            soft(y - (hair.side - 0.5 if hair.side > 0.4 else hair.hairline - 0.16) + 0.05 * tone, 0.2),
            hair.second,
        )
    elif hair.dye == "half":
        lay(picture, soft(a - 0.15 * hair.sweep + 0.02 * tone), hair.second)
    picture *= (1 + 0.16 * np.clip(tone, -2, 2))[..., None]
    shine = np.exp(-(((y + 0.78 - 0.22 * a * a + 0.02 * tone) / 0.10) ** 2)) * (hair.style != "shaved")
    lay(picture, 0.22 * shine * np.clip(0.6 + 0.3 * tone, 0, 1), colours.lighter(hair.colour, 0.8))
    return picture
