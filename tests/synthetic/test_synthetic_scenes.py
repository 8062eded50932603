"""Procedural pictures: every scene and technique, from the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from dynast_deploy.synthetic.scenes import examples, paint_content, paint_style
from dynast_deploy.synthetic.scenes.palettes import recolour, sample_palette
from dynast_deploy.synthetic.scenes.subjects import CHANCES, SCENES
from dynast_deploy.synthetic.scenes.techniques import TECHNIQUES

SIZE = 64


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_a_scene_shows_something_and_another_generator_something_else(scene) -> None:  # type: ignore[no-untyped-def]
    one, again, other = (scene(np.random.default_rng(seed), SIZE) for seed in (1, 1, 2))
    assert one.shape == (SIZE, SIZE, 3)
    assert np.isfinite(one).all()
    assert (one == again).all()
    assert one.std() > 8
    assert np.abs(one - other).mean() > 8


@pytest.mark.parametrize("technique", TECHNIQUES, ids=lambda technique: technique.__name__)
def test_a_technique_changes_the_picture_but_not_the_scene(technique) -> None:  # type: ignore[no-untyped-def]
    scene = SCENES[2](np.random.default_rng(3), SIZE)
    before = scene.copy()
    painted = technique(np.random.default_rng(5), scene, sample_palette(np.random.default_rng(6)))
    assert (scene == before).all()
    assert painted.shape == scene.shape
    assert np.isfinite(painted).all()
    assert np.abs(painted - scene).mean() > 3
    # Light and shade of large areas stay.
    small = [picture.reshape(8, 8, 8, 8, 3).mean(axis=(1, 3, 4)).ravel() for picture in (scene, painted)]
    assert np.corrcoef(*small)[0, 1] > 0.3


def test_pictures_come_from_the_seed() -> None:
    for paint in (paint_content, paint_style):
        assert (paint(4, SIZE) == paint(4, SIZE)).all()
        assert (paint(4, SIZE) != paint(5, SIZE)).any()
        assert paint(4, SIZE).dtype == np.uint8


def test_recolouring_keeps_what_is_lighter_lighter() -> None:
    ramp = np.broadcast_to(np.linspace(0, 255, SIZE, dtype=np.float32)[:, None, None], (SIZE, SIZE, 3))
    palette = np.linspace(20, 240, 5)[:, None].repeat(3, axis=1).astype(np.float32)
    light = recolour(ramp, palette, 1.0).mean(axis=(1, 2))
    assert (np.diff(light) >= 0).all()
    assert light[0] == pytest.approx(20, abs=1)
    assert light[-1] == pytest.approx(240, abs=1)


def test_the_camera_moves_slowly_and_ends_where_it_begins() -> None:
    scene = paint_content(3, 128)
    pictures = [picture.astype(float) for picture in examples.film(scene, 32, frames=40)]
    steps = [
        np.abs(one - next_).mean() for one, next_ in zip(pictures, pictures[1:] + pictures[:1], strict=True)
    ]
    assert min(steps) > 0
    assert max(steps) < np.abs(pictures[0] - pictures[20]).mean() / 2


def test_every_scene_has_its_chance() -> None:
    assert len(CHANCES) == len(SCENES)
    assert sum(CHANCES) == pytest.approx(1)
