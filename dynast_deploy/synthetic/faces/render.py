"""A drawn face as a picture, the masks of its parts and its surface map."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import cv2
import numpy as np

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.synthetic.faces.backdrop import paint_backdrop
from dynast_deploy.synthetic.faces.identity import Face
from dynast_deploy.synthetic.faces.labels import PART_NUMBER, FaceLayer, among
from dynast_deploy.synthetic.faces.scene import Scene
from dynast_deploy.synthetic.faces.trace import Traced, Tracer, paint_textures
from dynast_deploy.synthetic.faces.view import View

_OVERSAMPLING = 1.5  # canvas pixels to a picture pixel, along each side
_ROUND = (FaceLayer.SKIN, FaceLayer.EYES, FaceLayer.MOUTH, FaceLayer.HAIR, FaceLayer.GLASSES)

A_REACH, Y_TOP, Y_REACH = 2.2, -1.8, 4.4
"""Surface maps hold u = a / A_REACH and v = (y - Y_TOP) / Y_REACH of a place (a, y)."""


@dataclass(frozen=True)
class Portrait:
    """A rendered face. Pixel (0, 0) has its centre at (0, 0).

    `picture` uint8 [S, S, 3] RGB. `masks`: name of each part that is seen (see `FACE_PARTS`) to bool [S, S]; the skin
    covers the whole face as far as no hair hides it, glasses include what is seen through them. `surface` float32
    [S, S, 3]: `FaceLayer`, u (-1..1) and v (0..1) of the surface point at a pixel's centre; 0, 0, 0 on the backdrop.
    """

    picture: np.ndarray
    masks: dict[str, np.ndarray]
    surface: np.ndarray
    scene: Scene = field(repr=False)


_textures = lru_cache(maxsize=4)(paint_textures)
_backdrop = lru_cache(maxsize=4)(paint_backdrop)


def render(face: Face, view: View, size: int = 256) -> Portrait:
    """Draw a face, `size` pixels wide and high."""
    scene = Scene(face, view)
    tracer = Tracer(scene, _textures(face))
    traced = tracer.trace(*_centres(size))
    return Portrait(
        picture=_picture(tracer, size), masks=_masks(traced), surface=_surface(traced), scene=scene
    )


@lru_cache(maxsize=4)
def _centres(size: int) -> tuple[np.ndarray, np.ndarray]:
    at = (np.arange(size, dtype=np.float32) + 0.5) / size
    x, y = np.meshgrid(at, at)
    return x, y


def _masks(traced: Traced) -> dict[str, np.ndarray]:
    masks = {part: traced.label == PART_NUMBER[part] for part in FACE_PARTS}
    hidden = among(traced.layer, FaceLayer.HAIR, FaceLayer.LEFT_EAR, FaceLayer.RIGHT_EAR)
    masks["skin"] = traced.face & ~hidden
    masks["eye_g"] |= traced.lens
    return {part: mask for part, mask in masks.items() if mask.any()}


def _surface(traced: Traced) -> np.ndarray:
    surface = np.zeros((*traced.layer.shape, 3), np.float32)
    seen = traced.layer > 0
    surface[..., 0] = traced.layer
    surface[..., 1] = np.where(seen, traced.a / A_REACH, 0)
    surface[..., 2] = np.where(seen, (traced.y - Y_TOP) / Y_REACH, 0)
    return surface


def _picture(tracer: Tracer, size: int) -> np.ndarray:
    canvas = round(size * _OVERSAMPLING)
    traced = tracer.trace(*_centres(canvas))
    picture = _backdrop(tracer.scene.face, canvas).astype(np.float32)
    for layer, texture in tracer.textures.items():
        seen = np.flatnonzero(traced.layer == layer)
        if seen.size:
            picture.reshape(-1, 3)[seen] = texture.colours(np.take(traced.a, seen), np.take(traced.y, seen))
    picture *= _light(tracer.scene.face.light, traced)[..., None]
    picture[traced.lens] = 0.9 * picture[traced.lens] + 0.1 * 235
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    result: np.ndarray = np.clip(small + 0.5, 0, 255).astype(np.uint8)
    return result


def _light(across: float, traced: Traced) -> np.ndarray:
    """float32 [H, W]: the light on round surfaces, and soft shadows of hair on the face and of the head on the neck."""
    front = (1 - across * across) ** 0.5
    facing = np.sin(traced.angle) * across + np.cos(traced.angle) * front
    light = np.where(among(traced.layer, *_ROUND), 0.72 + 0.34 * np.maximum(facing, 0), 1).astype(np.float32)
    hair = (traced.layer == FaceLayer.HAIR).astype(np.float32)
    on_face = among(traced.layer, FaceLayer.SKIN, FaceLayer.EYES)
    light *= 1 - 0.30 * _shadow(hair, 0.012) * on_face
    head = (traced.face | (traced.layer == FaceLayer.HAIR)).astype(np.float32)
    light *= 1 - 0.42 * _shadow(head, 0.045) * among(traced.layer, FaceLayer.TORSO, FaceLayer.HAIR_BACK)
    rims = (traced.layer == FaceLayer.GLASSES).astype(np.float32)
    light *= 1 - 0.25 * _shadow(rims, 0.008) * on_face
    return light


def _shadow(mask: np.ndarray, fall: float) -> np.ndarray:
    """The mask, blurred and moved down by `fall` (share of the picture)."""
    size = len(mask)
    small = cv2.resize(mask, (size // 2, size // 2), interpolation=cv2.INTER_AREA)
    blurred = cv2.GaussianBlur(small, (0, 0), fall * size / 2)
    move = np.array([[1, 0, 0], [0, 1, 0.8 * fall * size / 2]], np.float32)
    moved = cv2.warpAffine(blurred, move, small.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(moved, (size, size), interpolation=cv2.INTER_LINEAR)
