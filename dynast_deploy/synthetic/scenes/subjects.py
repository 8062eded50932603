"""Scenes: what content pictures show and style pictures paint."""

from __future__ import annotations

import numpy as np

from dynast_deploy.synthetic.common import colours
from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.scenes.canvas import blank, clouds, grid, lay, polygon, ridge, soft

_SKIES: tuple[tuple[Colour, Colour], ...] = (
    ((92, 150, 215), (205, 226, 240)),
    ((60, 70, 120), (240, 150, 110)),
    ((150, 175, 195), (225, 225, 220)),
    ((30, 34, 74), (110, 90, 150)),
    ((120, 190, 215), (250, 232, 190)),
)


def hills(rng: np.random.Generator, size: int) -> np.ndarray:
    """Ridges that fade into a sky, trees on the nearest. `[size, size, 3]`, RGB 0..255."""
    y = grid(size)[1]
    picture = _sky(rng, size)
    near = colours.jitter(
        ((86, 128, 62), (150, 140, 70), (60, 100, 90), (170, 110, 70))[rng.integers(4)], rng
    )
    haze = tuple(picture[size // 2, size // 2])
    count = int(rng.integers(3, 6))
    for k in range(count):
        share = k / max(count - 1, 1)
        line = (
            rng.uniform(0.42, 0.5)
            + 0.38 * share
            + ridge(size, rng, 0.9 - 0.5 * share) * (0.06 - 0.02 * share)
        )
        tone = 1 + 0.07 * clouds(size, rng, 6)
        ink = np.array(colours.mix(haze, near, 0.25 + 0.75 * share), np.float32) * tone[..., None]
        lay(picture, soft(y - line[None, :]), ink * (1.1 - 0.4 * np.clip(y - line[None, :], 0, 1))[..., None])
    for _ in range(int(rng.integers(4, 14))):
        _tree(picture, rng, (float(rng.random()), float(rng.uniform(0.72, 0.98))))
    return picture


def sea(rng: np.random.Generator, size: int) -> np.ndarray:
    """Water with waves and the sun's glitter, sails on it, perhaps an island. `[size, size, 3]`, RGB 0..255."""
    x, y = grid(size)
    picture = _sky(rng, size)
    horizon = rng.uniform(0.4, 0.6)
    water = colours.jitter(((30, 90, 130), (40, 130, 140), (50, 60, 110))[rng.integers(3)], rng)
    if rng.random() < 0.6:
        line = horizon - np.maximum(ridge(size, rng, 0.8) * 0.05 + rng.uniform(-0.02, 0.05), 0)
        lay(picture, soft(y - line[None, :]), colours.mix(water, (90.0, 90.0, 80.0), 0.6))
    depth = np.clip((y - horizon) / (1 - horizon), 0, 1)
    wave = np.sin((60 - 45 * depth) * (y + 0.01 * np.sin(9 * x + 20 * y)) * 3 + 2 * clouds(size, rng, 5))
    colour = np.array(water, np.float32) * (1.25 - 0.5 * depth + 0.12 * wave)[..., None]
    lay(picture, soft(y - horizon), colour)
    glitter = (
        np.exp(-(((x - rng.uniform(0.2, 0.8)) / (0.03 + 0.12 * depth)) ** 2)) * (wave > 0.4) * (y > horizon)
    )
    lay(picture, 0.7 * glitter, (255.0, 240.0, 200.0))
    for _ in range(int(rng.integers(1, 5))):
        at, scale = rng.uniform(0.1, 0.9), rng.uniform(0.05, 0.16)
        foot = horizon + scale * rng.uniform(0.3, 1.2)
        sail = np.array(
            [[at, foot - 2.2 * scale], [at, foot - 0.3 * scale], [at + scale, foot - 0.3 * scale]]
        )
        polygon(picture, sail, colours.any_cloth(rng))
        hull = np.array([[-0.8, -0.25], [1.1, -0.25], [0.7, 0.15], [-0.5, 0.15]]) * scale + [at, foot]
        polygon(picture, hull, colours.darker(colours.any_cloth(rng), 0.4))
    return picture


def still_life(rng: np.random.Generator, size: int) -> np.ndarray:
    """Fruit, vases and boxes on a table before a wall, lit from one side. `[size, size, 3]`, RGB 0..255."""
    x, y = grid(size)
    wall, table = colours.any_cloth(rng), colours.any_cloth(rng)
    picture = blank(size, wall) * (1.05 - 0.4 * np.abs(x - 0.3) + 0.04 * clouds(size, rng))[..., None]
    edge = rng.uniform(0.52, 0.66)
    grain = 1 + 0.08 * np.sin(40 * y + 2 * clouds(size, rng, 3))
    lay(picture, soft(y - edge), np.array(table, np.float32) * grain[..., None])
    light = float(rng.choice((-1.0, 1.0)))
    places = np.sort(rng.uniform(edge + 0.05, 0.92, int(rng.integers(4, 8))))
    for foot in places:
        kind = rng.choice(("fruit", "fruit", "vase", "box"))
        at, scale = rng.uniform(0.1, 0.9), rng.uniform(0.07, 0.15)
        colour = colours.any_cloth(rng)
        ink = np.array(colour, np.float32)
        shadow = np.exp(
            -(((x - at + light * scale) / (1.5 * scale)) ** 2) - ((y - foot) / (0.3 * scale)) ** 2
        )
        lay(picture, 0.5 * shadow, (30.0, 24.0, 30.0))
        if kind == "fruit":
            across, down = (x - at) / scale, (y - foot + 0.9 * scale) / scale
            inside = soft(1 - np.hypot(across, down), 0.05)
            tone = 0.85 - 0.45 * light * across - 0.35 * down
            lay(picture, inside, np.clip(ink * tone[..., None], 0, 255))
            shine = np.exp(-8 * ((across + 0.4 * light) ** 2 + (down + 0.4) ** 2))
            lay(picture, 0.7 * shine, (255.0, 255.0, 250.0))
        elif kind == "vase":
            height = 3.2 * scale
            t = np.clip((foot - y) / height, 0, 1)
            half = scale * (0.55 + 0.45 * np.sin(2.6 * t * np.pi * rng.uniform(0.7, 1.0) + 0.4)) * 0.8
            across = (x - at) / half
            inside = soft(1 - np.abs(across), 0.06) * (y < foot) * (y > foot - height)
            bands = 1 + 0.25 * (np.sin(t * rng.uniform(10, 40)) > 0.4)
            tone = (0.85 - 0.4 * light * across - 0.2 * across**2) * bands
            lay(picture, inside, np.clip(ink * tone[..., None], 0, 255))
        else:
            w, h = scale, scale * rng.uniform(0.8, 2.0)
            front = np.array([[at - w, foot], [at + w, foot], [at + w, foot - h], [at - w, foot - h]])
            slide = np.array([0.5 * w, -0.4 * w])
            polygon(picture, front, colours.darker(colour, 0.2))
            top = np.array([front[3], front[2], front[2] + slide, front[3] + slide])
            polygon(picture, top, colours.lighter(colour, 0.2))
            side = np.array([front[1], front[2], front[2] + slide, front[1] + slide])
            polygon(picture, side, colours.darker(colour, 0.45))
    return picture


def city(rng: np.random.Generator, size: int) -> np.ndarray:
    """Rows of houses with windows and roofs under a sky. `[size, size, 3]`, RGB 0..255."""
    picture = _sky(rng, size)
    for row in range(int(rng.integers(2, 4))):
        foot = 0.72 + 0.14 * row
        at = -0.1
        while at < 1.05:
            wide, tall = rng.uniform(0.1, 0.22), rng.uniform(0.2, 0.5) - 0.06 * row
            ink = colours.darker(colours.any_cloth(rng), 0.25 - 0.1 * row)
            _house(picture, rng, (at, foot), (wide, tall), ink)
            at += wide * rng.uniform(0.85, 1.05)
    x, y = grid(size)
    lay(picture, soft(y - 0.97 + 0.02 * np.sin(8 * x)), (110.0, 105.0, 105.0))
    return picture


def flowers(rng: np.random.Generator, size: int) -> np.ndarray:
    """A meadow or a bunch of flowers, petals and leaves. `[size, size, 3]`, RGB 0..255."""
    x, y = grid(size)
    ground = colours.jitter(((50, 90, 50), (40, 60, 70), (210, 200, 170), (30, 30, 40))[rng.integers(4)], rng)
    picture = blank(size, ground) * (1 + 0.15 * clouds(size, rng, 5))[..., None]
    for _ in range(int(rng.integers(10, 24))):
        at, radius = rng.uniform(0, 1, 2), rng.uniform(0.05, 0.13)
        stem = np.array([[at[0] - 0.008, at[1]], [at[0] + 0.008, at[1]], [at[0] + rng.normal(0, 0.05), 1.05]])
        polygon(picture, stem, (50.0, 120.0, 60.0))
        ink, heart = colours.any_cloth(rng), colours.any_cloth(rng)
        across, down = x - at[0], y - at[1]
        away, angle = np.hypot(across, down) / radius, np.arctan2(down, across)
        petals = 0.68 + 0.32 * np.cos(int(rng.integers(4, 9)) * angle + rng.uniform(0, 6))
        tone = np.clip(0.7 + 0.45 * away, 0, 1.15)
        lay(picture, soft(petals - away, 0.06), np.clip(np.array(ink, np.float32) * tone[..., None], 0, 255))
        lay(picture, soft(0.26 - away, 0.06), heart)
    return picture


def figure(rng: np.random.Generator, size: int) -> np.ndarray:
    """A marionette. `[size, size, 3]`, RGB 0..255."""
    from dynast_deploy.synthetic.people import Identity, render, sample_pose

    return render(Identity.of_seed(int(rng.integers(1_000_000))), sample_pose(rng), size).picture.astype(
        np.float32
    )


def portrait(rng: np.random.Generator, size: int) -> np.ndarray:
    """A drawn face. `[size, size, 3]`, RGB 0..255."""
    from dynast_deploy.synthetic.faces import Face, render, sample_view

    return render(Face.of_seed(int(rng.integers(1_000_000))), sample_view(rng), size).picture.astype(
        np.float32
    )


SCENES = (hills, sea, still_life, city, flowers, portrait, figure)
CHANCES = (0.2, 0.16, 0.18, 0.16, 0.14, 0.1, 0.06)


def _sky(rng: np.random.Generator, size: int) -> np.ndarray:
    x, y = grid(size)
    top, low = _SKIES[rng.integers(len(_SKIES))]
    top, low = colours.jitter(top, rng), colours.jitter(low, rng)
    picture = blank(size, top)
    lay(picture, np.clip(y * 1.6, 0, 1), low)
    if rng.random() < 0.7:
        fleece = np.clip(clouds(size, rng, 2.5, 5) - rng.uniform(0, 1), 0, 1)
        lay(picture, 0.8 * fleece * np.clip(1.3 - 1.8 * y, 0, 1), colours.lighter(low, 0.6))
    if rng.random() < 0.5:
        at = rng.uniform(0.15, 0.85), rng.uniform(0.08, 0.35)
        away = np.hypot(x - at[0], y - at[1])
        lay(picture, soft(rng.uniform(0.03, 0.08) - away), (255.0, 236.0, 190.0))
        lay(picture, 0.5 * np.exp(-((away / 0.18) ** 2)), (255.0, 236.0, 190.0))
    return picture


def _tree(picture: np.ndarray, rng: np.random.Generator, foot: tuple[float, float]) -> None:
    tall = rng.uniform(0.1, 0.28)
    trunk = np.array([[-0.01, 0], [0.01, 0], [0.006, -0.6 * tall], [-0.006, -0.6 * tall]]) + foot
    polygon(picture, trunk, (80.0, 56.0, 40.0))
    ink = colours.jitter(((40, 84, 50), (70, 110, 50), (160, 100, 40), (30, 66, 66))[rng.integers(4)], rng)
    if rng.random() < 0.5:
        for level in range(3):
            half, base = tall * (0.34 - 0.08 * level), -tall * (0.2 + 0.25 * level)
            cone = np.array([[-half, base], [half, base], [0, base - 0.42 * tall]]) + foot
            polygon(picture, cone, colours.darker(ink, 0.15 * (2 - level)))
        return
    x, y = grid(len(picture))
    for _ in range(5):
        spot = foot[0] + rng.normal(0, 0.14 * tall), foot[1] - tall * rng.uniform(0.5, 0.95)
        radius = tall * rng.uniform(0.18, 0.28)
        away = np.hypot(x - spot[0], y - spot[1])
        lay(picture, soft(radius - away), colours.darker(ink, float(rng.uniform(0, 0.3))))


def _house(
    picture: np.ndarray,
    rng: np.random.Generator,
    at: tuple[float, float],
    measures: tuple[float, float],
    ink: Colour,
) -> None:
    corner, (wide, tall) = np.array(at), measures
    box = np.array([[0, 0], [wide, 0], [wide, -tall], [0, -tall]]) + corner
    polygon(picture, box, ink)
    if rng.random() < 0.6:
        roof = np.array([[-0.01, -tall], [wide + 0.01, -tall], [wide / 2, -tall - rng.uniform(0.04, 0.12)]])
        polygon(picture, roof + corner, colours.darker(colours.any_cloth(rng), 0.3))
    columns, rows = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    lit, dark = (250.0, 220.0, 140.0), colours.darker(ink, 0.55)
    for column in range(columns):
        for row in range(rows):
            place = corner + np.array([(column + 0.25) / columns * wide, -tall * (row + 0.8) / rows])
            across, down = 0.5 * wide / columns, 0.5 * tall / rows
            pane = place + np.array([[0, 0], [across, 0], [across, down], [0, down]])
            polygon(picture, pane, lit if rng.random() < 0.25 else dark)
