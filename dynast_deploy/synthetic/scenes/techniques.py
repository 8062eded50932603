"""Techniques: how a scene becomes a painting. Each takes and gives float32 [S, S, 3], 0..255."""

from __future__ import annotations

import cv2
import numpy as np

from dynast_deploy.synthetic.scenes.canvas import clouds, grid, lay, soft


def oil(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Brush strokes along the shapes, coarse ones first, with a relief of paint."""
    size = len(scene)
    angle = _flow(rng, scene)
    picture = np.ascontiguousarray(cv2.GaussianBlur(scene, (0, 0), size / 40))
    height = np.zeros((size, size), np.float32)
    thick = rng.uniform(0.006, 0.016)
    for scale, count in ((2.2, 500), (1.0, 2200)):
        long, wide = thick * scale * size * rng.uniform(2.2, 5.0), max(1.0, thick * scale * size)
        for x, y in rng.integers(0, size, (count, 2)):
            ink = scene[y, x] * rng.uniform(0.9, 1.1) + rng.normal(0, 7, 3)
            ends = np.array([np.cos(angle[y, x]), np.sin(angle[y, x])]) * long / 2
            a, b = (round(x - ends[0]), round(y - ends[1])), (round(x + ends[0]), round(y + ends[1]))
            cv2.line(picture, a, b, ink.tolist(), max(1, round(wide)), cv2.LINE_AA)
            cv2.line(height, a, b, float(rng.random()), max(1, round(wide)), cv2.LINE_AA)
    relief = cv2.Sobel(height, cv2.CV_32F, 1, 1, ksize=3)
    return picture + rng.uniform(10, 30) * np.clip(relief, -1, 1)[..., None]


def swirls(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Short curved strokes that follow whirls of their own.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    x, y = grid(size)
    turn = np.zeros((size, size), np.float32)
    for _ in range(int(rng.integers(3, 8))):
        at, reach = rng.uniform(0, 1, 2), rng.uniform(0.1, 0.3)
        away = np.hypot(x - at[0], y - at[1])
        turn += np.exp(-((away / reach) ** 2)) * (np.arctan2(y - at[1], x - at[0]) + np.pi / 2)
    angle = turn + 0.5 * clouds(size, rng, 2, 2)
    picture = np.ascontiguousarray(scene * 0.75)
    length, wide = size * rng.uniform(0.03, 0.06), max(1, round(size * rng.uniform(0.006, 0.012)))
    for px, py in rng.integers(0, size, (2600, 2)):
        ink = scene[py, px] * rng.uniform(0.8, 1.25)
        points = [(float(px), float(py))]
        for _ in range(4):
            qx, qy = (min(max(int(c), 0), size - 1) for c in points[-1])
            points.append(
                (
                    points[-1][0] + np.cos(angle[qy, qx]) * length / 4,
                    points[-1][1] + np.sin(angle[qy, qx]) * length / 4,
                )
            )
        cv2.polylines(picture, [np.round(points).astype(np.int32)], False, ink.tolist(), wide, cv2.LINE_AA)
    return picture


def dots(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Pointillism: dots of pure colours that mix in the eye.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    picture = np.ascontiguousarray(np.broadcast_to(palette[-1], scene.shape).astype(np.float32))
    step = size * rng.uniform(0.012, 0.024)
    for _ in range(2):
        for gy in np.arange(0, size, step):
            for gx in np.arange(0, size, step):
                x, y = (min(max(int(c + rng.normal(0, 0.35 * step)), 0), size - 1) for c in (gx, gy))
                ink = scene[y, x] + rng.normal(0, 30, 3)
                cv2.circle(
                    picture,
                    (x, y),
                    max(1, round(step * rng.uniform(0.4, 0.62))),
                    ink.tolist(),
                    -1,
                    cv2.LINE_AA,
                )
    return picture


def mosaic(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Stones in mortar, or stained glass between dark leads.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    glass = rng.random() < 0.5
    cells, edge = _cells(rng, len(scene), int(rng.integers(150, 500) if glass else rng.integers(500, 1400)))
    picture = _mean_of_cells(scene, cells) * rng.normal(1, 0.09, (int(cells.max()) + 1, 1))[cells]
    if glass:
        grey = picture.mean(axis=-1, keepdims=True)
        picture = grey + (picture - grey) * 1.6 + 12
    lead = palette[0] * 0.4 if glass else palette[-1] * 0.9
    picture = picture.astype(np.float32)
    lay(picture, soft((2.0 if glass else 1.0) * len(scene) / 256 - edge, 1.0), lead)
    result: np.ndarray = picture
    return result


def facets(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Flat triangles, each with a gradient: a cubist's or a low-polygon picture.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    subdivision = cv2.Subdiv2D((-size, -size, 3 * size, 3 * size))
    for point in rng.uniform(-0.1 * size, 1.1 * size, (int(rng.integers(120, 420)), 2)):
        subdivision.insert((float(point[0]), float(point[1])))
    picture = scene.copy()
    for corners in np.reshape(subdivision.getTriangleList(), (-1, 3, 2)):
        middle = np.clip(corners.mean(axis=0), 0, size - 1).astype(int)
        ink = scene[middle[1], middle[0]] * rng.uniform(0.82, 1.18)
        cv2.fillConvexPoly(picture, np.round(corners * 16).astype(np.int32), ink.tolist(), cv2.LINE_AA, 4)
    return picture * (1 + 0.05 * clouds(size, rng, 8))[..., None]


def comic(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Flat colours, black outlines and a screen of dots in the shade.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    x, y = grid(size)
    smooth = cv2.bilateralFilter(scene, 7, 60, 7)
    levels = int(rng.integers(3, 6))
    flat = (np.floor(np.clip(smooth, 0, 255) / 256 * levels) + 0.5) * 256 / levels
    light = smooth.mean(axis=-1) / 255
    period, turn = rng.uniform(0.016, 0.03), rng.uniform(0, np.pi / 2)
    u, v = (np.cos(turn) * x + np.sin(turn) * y) / period, (np.cos(turn) * y - np.sin(turn) * x) / period
    away = np.hypot(u - np.round(u), v - np.round(v))
    picture = flat.astype(np.float32)
    lay(picture, 0.75 * soft(np.clip(0.62 - light, 0, 0.6) - away, 0.15), palette[0] * 0.6)
    grey = smooth.mean(axis=-1)
    lines = np.hypot(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1))
    lay(picture, soft(cv2.dilate(lines, np.ones((2, 2), np.uint8)) - 90, 60), (16.0, 14.0, 18.0))
    return picture


def watercolour(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Washes that run and pool at their edges, on grained paper.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    x, y = grid(size)
    run = 0.010
    across, down = (((at + run * clouds(size, rng, 9, 3)) * size - 0.5).astype(np.float32) for at in (x, y))
    patches = cv2.medianBlur(np.clip(scene, 0, 255).astype(np.uint8), 7)
    wash = cv2.remap(patches, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    wash = cv2.bilateralFilter(wash, 9, 50, 9).astype(np.float32)
    edges = np.abs(cv2.Laplacian(cv2.GaussianBlur(wash.mean(axis=-1), (0, 0), 1.2), cv2.CV_32F))
    pigment = 1 - 0.22 * np.clip(edges / 14, 0, 1) + 0.045 * clouds(size, rng, 3)
    paper = 1 + 0.02 * clouds(size, rng, 60, 2)
    diluted = 255 - (255 - wash) * rng.uniform(0.55, 0.85)
    result: np.ndarray = diluted * (pigment * paper)[..., None]
    return result


def woodcut(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """Lines of ink that swell in the dark, on coloured paper; crossed lines in the deepest shade.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    x, y = grid(size)
    light = cv2.GaussianBlur(scene.mean(axis=-1), (0, 0), size / 200)
    low, high = np.percentile(light, (3, 97))
    dark = 1 - np.clip((light - low) / max(high - low, 1), 0, 1)
    bend = rng.uniform(0, 0.05) * clouds(size, rng, 3, 2)
    period, turn = rng.uniform(0.013, 0.026), rng.uniform(0, np.pi)
    ink = np.zeros((size, size), np.float32)
    for angle, least in ((turn, 0.0), (turn + np.pi / 2, 0.55)):
        wave = 0.5 + 0.5 * np.cos(2 * np.pi * (np.cos(angle) * x + np.sin(angle) * y + bend) / period)
        ink = np.maximum(ink, soft((dark - least) / (1 - least) * 1.05 - wave, 0.25) * (dark > least))
    picture = np.broadcast_to(palette[-1], scene.shape).astype(np.float32)
    if rng.random() < 0.5:
        picture = picture + 0.55 * (scene - picture)
    lay(picture, ink, palette[0])
    return picture


def weave(rng: np.random.Generator, scene: np.ndarray, palette: np.ndarray) -> np.ndarray:
    """A tapestry: threads over and under each other, one colour to a stitch.

    Scene and result `[S, S, 3]`, palette `[P, 3]`, RGB 0..255.
    """
    size = len(scene)
    x, y = grid(size)
    count = int(rng.integers(40, 84))
    small = cv2.resize(scene, (count, count), interpolation=cv2.INTER_AREA)
    picture = cv2.resize(small, (size, size), interpolation=cv2.INTER_NEAREST)
    u, v = x * count % 1, y * count % 1
    over = (np.floor(x * count) + np.floor(y * count)) % 2 == 0
    round_ = np.where(over, np.sin(np.pi * u), np.sin(np.pi * v))
    return picture * (0.68 + 0.46 * round_ + 0.05 * clouds(size, rng, 30, 2))[..., None]


TECHNIQUES = (oil, swirls, dots, mosaic, facets, comic, watercolour, woodcut, weave)


def _flow(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """float32 [S, S]: angles along the shapes, where there are any, else along a calm field."""
    size = len(scene)
    light = cv2.GaussianBlur(scene.mean(axis=-1), (0, 0), size / 50)
    along, down = cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)
    calm = clouds(size, rng, 2, 2) * 0.9 + rng.uniform(0, np.pi)
    clear = np.clip(np.hypot(along, down) / 12, 0, 1)
    shape = np.arctan2(down, along) + np.pi / 2
    # Strokes have no head or tail: angles are mixed as doubled angles.
    sin = clear * np.sin(2 * shape) + (1 - clear) * np.sin(2 * calm)
    cos = clear * np.cos(2 * shape) + (1 - clear) * np.cos(2 * calm)
    result: np.ndarray = (np.arctan2(sin, cos) / 2).astype(np.float32)
    return result


def _cells(rng: np.random.Generator, size: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Voronoi cells: their numbers int32 [S, S], and the distance to the nearest boundary in pixels, float32."""
    seeds = np.full((size, size), 255, np.uint8)
    seeds[tuple(rng.integers(0, size, (2, count)))] = 0
    _, cells = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    inner = np.ones((size, size), np.uint8)
    inner[:, 1:] &= cells[:, 1:] == cells[:, :-1]
    inner[1:] &= cells[1:] == cells[:-1]
    return cells, cv2.distanceTransform(inner, cv2.DIST_L2, 3)


def _mean_of_cells(scene: np.ndarray, cells: np.ndarray) -> np.ndarray:
    flat = cells.ravel()
    total = np.maximum(np.bincount(flat), 1)
    means = np.stack([np.bincount(flat, scene[..., c].ravel()) / total for c in range(3)], axis=-1)
    result: np.ndarray = means[cells]
    return result
