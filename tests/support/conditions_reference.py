"""Conditions the plain way, as the published data preparation describes them: slow, and what the tests
trust."""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from dynast_deploy.conditions.face import FACE_PARTS
from dynast_deploy.conditions.pose import COLOURS, LIMBS


def plain_distance_map(drawn: np.ndarray) -> np.ndarray:
    """uint8 [H, W] of a mask [H, W] (non-zero = drawn), whole picture at once, in floating point."""
    distance = cv2.distanceTransform(np.where(drawn, 0, 255).astype(np.uint8), cv2.DIST_L1, 3)
    return np.clip(distance / 3, 0, 255).astype(np.uint8)


def plain_pose_condition(
    keypoints: np.ndarray, image_size: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """uint8 [20, H, W]; keypoints [18, 2] with NaN where not seen, image_size (width, height), size (height,
    width)."""
    width, height = image_size
    canvas: np.ndarray = np.zeros((height, width, 3), np.uint8)
    seen = ~np.isnan(keypoints).any(axis=1)
    for index in range(18):
        if seen[index]:
            x, y = keypoints[index]
            cv2.circle(canvas, (int(x), int(y)), 4, COLOURS[index], -1)

    limbs = []
    for (start, end), colour in zip(LIMBS, COLOURS, strict=False):
        limb = np.zeros((height, width), np.uint8)
        if seen[start] and seen[end]:
            (x0, y0), (x1, y1) = keypoints[start], keypoints[end]
            centre = (int(np.mean([x0, x1])), int(np.mean([y0, y1])))
            length = ((y0 - y1) ** 2 + (x0 - x1) ** 2) ** 0.5
            angle = int(math.degrees(math.atan2(y0 - y1, x0 - x1)))
            outline = np.asarray(cv2.ellipse2Poly(centre, (int(length / 2), 4), angle, 0, 360, 1))
            painted = canvas.copy()
            cv2.fillConvexPoly(painted, outline, colour)
            canvas = cv2.addWeighted(canvas, 0.4, painted, 0.6, 0)
            cv2.fillConvexPoly(limb, outline, 255)
        limbs.append(limb)

    target = (size[1], size[0])
    drawing = Image.fromarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2RGB)).resize(
        target, Image.Resampling.NEAREST
    )
    maps = [
        Image.fromarray(plain_distance_map(limb)).resize(target, Image.Resampling.BILINEAR) for limb in limbs
    ]
    return np.stack([*np.asarray(drawing).transpose(2, 0, 1), *(np.asarray(each) for each in maps)])


def plain_face_condition(
    masks: dict[str, np.ndarray], photo: np.ndarray, size: tuple[int, int]
) -> np.ndarray:
    """uint8 [15, H, W]; masks non-zero inside; needs scikit-image, whose default Canny the published data
    used."""
    from skimage.feature import canny

    target = (size[1], size[0])
    edges, background, maps = np.zeros(size, bool), np.ones(size, bool), []
    for part in FACE_PARTS:
        outline = np.zeros(size, bool)
        if part in masks:
            mask = Image.fromarray((masks[part] != 0).astype(np.uint8))
            inside = np.asarray(mask.resize(target, Image.Resampling.NEAREST)) > 0
            background[inside] = part == "hair"
            grown = np.pad(inside, 1, "edge")
            for neighbour in (grown[:-2, 1:-1], grown[2:, 1:-1], grown[1:-1, :-2], grown[1:-1, 2:]):
                outline |= inside != neighbour
        edges |= outline
        maps.append(plain_distance_map(outline))
    grey = Image.fromarray(photo).resize(target, Image.Resampling.BILINEAR).convert("L")
    texture = canny(np.asarray(grey)) & background
    return np.stack([(edges | texture) * np.uint8(255), *maps, edges * np.uint8(255)])
