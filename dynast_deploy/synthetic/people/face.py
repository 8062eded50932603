"""The painted face: eyes, brows, nose, mouth, cheeks, beard and glasses on the head's sheet."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.common.colours import Colour, darker, mix
from dynast_deploy.synthetic.people.head import EYE_ANGLE, EYE_Y, FACE_AROUND, MOUTH_Y, NOSE_Y
from dynast_deploy.synthetic.people.identity import Identity

_SHIFT = 4
_INK: Colour = (46.0, 32.0, 34.0)


def paint_face(who: Identity, h: int, w: int) -> np.ndarray:
    """float32 [h, w, 3]: columns are angles around the head, rows go with the arc cosine of the height."""
    face, skin, hair = who.face, who.skin, who.hair.colour
    angle = np.linspace(-FACE_AROUND, FACE_AROUND, w, dtype=np.float32)[None, :]
    y = -np.cos(np.linspace(0, np.pi, h, dtype=np.float32))[:, None]
    picture = np.empty((h, w, 3), np.float32)
    picture[:] = skin
    shade = (
        1 - 0.13 * np.clip((np.abs(angle) - 0.7) / 1.0, 0, 1) ** 1.5 - 0.10 * np.clip((y - 0.72) / 0.28, 0, 1)
    )
    picture *= shade[..., None]
    width = who.proportions.head_width
    blush = np.array(mix(skin, (236.0, 96.0, 90.0), 0.55), np.float32)
    for side in (-1, 1):
        away = np.hypot((angle - side * 0.62) * width / 0.24, (y - 0.42) / 0.2)
        cover = face.blush * np.clip(1.15 - away, 0, 1)
        picture += cover[..., None] * (blush - picture)
    if who.face.beard != "none":
        _paint_beard(picture, who, angle, y)
    if face.freckles:
        rng = np.random.default_rng(int(skin[0] * 1000) % 997)
        for x0, y0 in zip(rng.uniform(-0.7, 0.7, 14), rng.uniform(0.28, 0.44, 14), strict=True):
            _disc(picture, x0, y0, 0.025, 0.022, darker(skin, 0.25))
    _paint_eyes(picture, who)
    nose = darker(mix(skin, (210.0, 90.0, 70.0), 0.18), 0.17)
    size = face.nose
    _disc(picture, 0.0, NOSE_Y + 0.015, 0.135 * size, 0.072 * size, nose)
    _disc(picture, -0.015, NOSE_Y - 0.02, 0.125 * size, 0.072 * size, tuple(np.array(skin) * 1.0))
    _line(
        picture,
        [(0.06, EYE_Y + 0.04), (0.075, EYE_Y + 0.12), (0.095 * size, NOSE_Y - 0.02)],
        0.012,
        darker(skin, 0.12),
    )
    _paint_mouth(picture, who)
    if face.glasses:
        frame = darker(hair, 0.4) if sum(hair) > 300 else _INK
        for side in (-1, 1):
            _outline(picture, side * EYE_ANGLE * face.eye_gap, EYE_Y + 0.02, 0.31, 0.2, 0.028, frame)
            _line(picture, [(side * (EYE_ANGLE + 0.3), EYE_Y), (side * 1.5, EYE_Y - 0.03)], 0.026, frame)
        _line(picture, [(-0.13, EYE_Y), (0, EYE_Y - 0.03), (0.13, EYE_Y)], 0.026, frame)
    return picture


def _paint_eyes(picture: np.ndarray, who: Identity) -> None:
    face = who.face
    size = face.eye_size
    for side in (-1, 1):
        x, y = side * EYE_ANGLE * face.eye_gap, EYE_Y
        _disc(picture, x, y, 0.175 * size, 0.115 * size, (252.0, 250.0, 247.0))
        _disc(picture, x, y + 0.005, 0.108 * size, 0.108 * size, face.eye)
        _disc(picture, x, y + 0.005, 0.062 * size, 0.066 * size, (24.0, 18.0, 20.0))
        _disc(picture, x - 0.035, y - 0.035, 0.032 * size, 0.034 * size, (255.0, 255.0, 255.0))
        arc = [
            (x + dx * 0.185 * size, y + (0.118 * dx * dx - 0.118 + 0.018 * side * dx) * size)
            for dx in np.linspace(-1, 1, 9)
        ]
        _line(picture, arc, 0.034, _INK)
        lift = face.brow_lift
        brow = [
            (x + side * dx * 0.25, y - 0.245 - lift - 0.035 * (1 - dx * dx) + 0.02 * dx)
            for dx in np.linspace(-0.9, 1, 7)
        ]
        ink = darker(who.hair.colour, 0.25) if sum(who.hair.colour) < 560 else darker(who.hair.colour, 0.42)
        _line(picture, brow, 0.034 * face.brow, ink)


def _paint_mouth(picture: np.ndarray, who: Identity) -> None:
    face = who.face
    half, up = 0.30 * face.mouth, 0.045 + 0.07 * face.smile
    t = np.linspace(-1, 1, 13)
    upper = np.stack([t * half, MOUTH_Y - up * (t * t - 0.4)], axis=1)
    if face.open_mouth:
        lower = np.stack([t[::-1] * half, MOUTH_Y - up * (t * t - 0.4) + 0.14 * (1 - t * t)], axis=1)
        _fill(picture, np.concatenate([upper, lower]), (120.0, 40.0, 44.0))
        teeth = np.stack(
            [t[::-1] * half * 0.85, MOUTH_Y - up * (t * t * 0.72 - 0.4) + 0.045 * (1 - t * t)], axis=1
        )
        _fill(picture, np.concatenate([upper * np.array([0.85, 1.0]), teeth]), (250.0, 248.0, 244.0))
        _line(picture, [tuple(p) for p in upper], 0.03, face.lips)
        _line(picture, [tuple(p) for p in lower], 0.034, face.lips)
    else:
        lower = np.stack(
            [t[::-1] * half * 0.8, MOUTH_Y - up * (t * t * 0.64 - 0.4) + 0.075 * (1 - t * t)], axis=1
        )
        _fill(picture, np.concatenate([upper * np.array([0.8, 1.0]), lower]), face.lips)
        _line(picture, [tuple(p) for p in upper], 0.032, darker(face.lips, 0.35))


def _paint_beard(picture: np.ndarray, who: Identity, angle: np.ndarray, y: np.ndarray) -> None:
    kind, hair = who.face.beard, np.array(who.hair.colour, np.float32)
    edge = 0.06
    jaw = np.clip((y - (0.50 - 0.42 * np.clip(np.abs(angle) / 1.3, 0, 1) ** 2.5)) / edge, 0, 1)
    lip = np.clip((0.40 - np.hypot(angle, (y - MOUTH_Y - 0.01) * 1.7)) / edge, 0, 1)
    moustache = np.clip((0.34 - np.abs(angle)) / 0.12, 0, 1) * np.clip(1 - np.abs(y - 0.49) / 0.06, 0, 1)
    if kind == "moustache":
        cover = 0.9 * moustache
    elif kind == "full":
        cover = 0.92 * np.maximum(jaw * (1 - 0.9 * lip), moustache)
    else:
        cover = 0.22 * np.maximum(jaw, moustache)
    picture += cover[..., None] * (hair - picture)


def _place(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(angle, y) points as fixed-point positions on the sheet."""
    h, w = picture.shape[:2]
    column = (points[:, 0] / FACE_AROUND + 1) / 2 * (w - 1)
    row = np.arccos(np.clip(-points[:, 1], -1, 1)) / np.pi * (h - 1)
    return np.round(np.stack([column, row], axis=1) * (1 << _SHIFT)).astype(np.int32)


def _fill(picture: np.ndarray, points: np.ndarray, ink: Colour) -> None:
    cv2.fillPoly(picture, [_place(picture, points)], ink, cv2.LINE_AA, _SHIFT)


def _disc(picture: np.ndarray, x: float, y: float, rx: float, ry: float, ink: Colour) -> None:
    a = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    _fill(picture, np.stack([x + rx * np.cos(a), y + ry * np.sin(a)], axis=1), ink)


def _outline(picture: np.ndarray, x: float, y: float, rx: float, ry: float, pen: float, ink: Colour) -> None:
    a = np.linspace(0, 2 * np.pi, 25)
    _line(picture, list(zip(x + rx * np.cos(a), y + ry * np.sin(a), strict=True)), pen, ink)


def _line(picture: np.ndarray, points: list[tuple[float, float]], pen: float, ink: Colour) -> None:
    """A line of half-width `pen`, round at its ends, thin where the brush is set down and lifted."""
    line = np.array(points, dtype=np.float64)
    along = np.gradient(line, axis=0)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None]
    t = np.linspace(-1, 1, len(line))
    half = (pen * (0.45 + 0.55 * np.sqrt(np.maximum(1 - t * t, 0))))[:, None]
    _fill(picture, np.concatenate([line + normal * half, (line - normal * half)[::-1]]), ink)
