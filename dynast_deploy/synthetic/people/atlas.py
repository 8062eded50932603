"""The atlas: one picture that holds the painted texture of every sheet of an identity."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from dynast_deploy.synthetic.people import bottoms, locks, skin, tops
from dynast_deploy.synthetic.people.body import Body
from dynast_deploy.synthetic.people.face import paint_face
from dynast_deploy.synthetic.people.parts import TEXTURE_OF, Part

# Texels per body height, a little finer than a 512-pixel canvas shows.
DENSITY = 520
_FACE_DENSITY = 1100
_EDGE = 3


@dataclass(frozen=True)
class Tile:
    """Where a texture lies: the texel centres of (u, v) = (-1, 0) and the way to (1, 1)."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Atlas:
    """uint8 [H, W, 3] RGB, and the tile of each part."""

    picture: np.ndarray
    tiles: dict[Part, Tile]


def paint_atlas(body: Body) -> Atlas:
    """Paint all textures of a body."""
    textures = {}
    for part, sheet in body.sheets.items():
        if TEXTURE_OF[part] is not part:
            continue
        density = _FACE_DENSITY if part in (Part.HEAD, Part.RIGHT_EAR) else DENSITY
        h, w = max(8, round(sheet.length * density)), max(8, round(sheet.width * density))
        textures[part] = np.clip(_PAINTERS[part](body, h, w), 0, 255).astype(np.uint8)
    return _pack(textures)


def _pack(textures: dict[Part, np.ndarray]) -> Atlas:
    """Shelves of falling height; every tile gets a margin of its own edge colours."""
    order = sorted(textures, key=lambda part: -textures[part].shape[0])
    across = max(512, *(t.shape[1] + 2 * _EDGE for t in textures.values()))
    x = y = shelf = 0
    tiles: dict[Part, Tile] = {}
    for part in order:
        h, w = textures[part].shape[0] + 2 * _EDGE, textures[part].shape[1] + 2 * _EDGE
        if x + w > across:
            x, y, shelf = 0, y + shelf, 0
        tiles[part] = Tile(x + _EDGE, y + _EDGE, w - 2 * _EDGE - 1, h - 2 * _EDGE - 1)
        x, shelf = x + w, max(shelf, h)
    picture = np.zeros((y + shelf, across, 3), np.uint8)
    for part, tile in tiles.items():
        edged = cv2.copyMakeBorder(textures[part], _EDGE, _EDGE, _EDGE, _EDGE, cv2.BORDER_REPLICATE)
        top, left = int(tile.y) - _EDGE, int(tile.x) - _EDGE
        picture[top : top + edged.shape[0], left : left + edged.shape[1]] = edged
    return Atlas(picture, {part: tiles[TEXTURE_OF[part]] for part in Part if TEXTURE_OF[part] in tiles})


_Painter = Callable[[Body, int, int], np.ndarray]
_PAINTERS: dict[Part, _Painter] = {
    Part.HEAD: lambda body, h, w: paint_face(body.who, h, w),
    Part.HAIR_BACK: locks.paint_hair_back,
    Part.HAIR_TAIL: locks.paint_hair_back,
    Part.NECK: skin.paint_neck,
    Part.TORSO: tops.paint_torso,
    Part.PELVIS: bottoms.paint_pelvis,
    Part.SKIRT: bottoms.paint_skirt,
    Part.RIGHT_EAR: skin.paint_ear,
    Part.HAIR: locks.paint_hair,
    Part.HAT: locks.paint_hat,
    Part.RIGHT_ARM: skin.paint_arm,
    Part.RIGHT_HAND: skin.paint_hand,
    Part.RIGHT_THUMB: skin.paint_thumb,
    Part.RIGHT_SLEEVE: tops.paint_sleeve,
    Part.RIGHT_LEG: skin.paint_leg,
    Part.RIGHT_TROUSER: bottoms.paint_trouser,
    Part.RIGHT_SHOE: bottoms.paint_shoe,
}
