"""Poses: one marionette in two poses."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from dynast_deploy.conditions import pose_condition
from dynast_deploy.data.views import BLOCK, VIEWS, View, ViewPairs
from dynast_deploy.marionette import (
    FIRST_EVALUATION_SEED,
    Figure,
    Identity,
    correspondence,
    render,
    sample_pose,
)

CANVAS = 256
"""Pixels: pictures are drawn at this size and reduced, so that limbs are equally thick at every training size."""


class MarionettePoses(ViewPairs):
    """Dressed people in two poses; identities with seeds below `FIRST_EVALUATION_SEED` train, those from it on are
    held out."""

    def __init__(self, size: int, seed: int, held_out: bool = False) -> None:
        super().__init__(size, seed, held_out)
        self._figures = lru_cache(maxsize=BLOCK + 2)(self._render)

    def draw(self, number: int) -> tuple[str, Sequence[View]]:
        name, figures = self._figures(number)
        return name, [
            View(
                figure.picture, pose_condition(figure.keypoints, (CANVAS, CANVAS), self.size), figure.surface
            )
            for figure in figures
        ]

    def match(self, number: int, target: int, exemplar: int) -> tuple[np.ndarray, np.ndarray]:
        _, figures = self._figures(number)
        return correspondence(figures[target], figures[exemplar])

    def _render(self, number: int) -> tuple[str, list[Figure]]:
        rng = np.random.default_rng([self.seed, number, int(self.held_out)])
        identity = int(rng.integers(FIRST_EVALUATION_SEED)) + FIRST_EVALUATION_SEED * self.held_out
        who = Identity.of_seed(identity)
        return f"marionette {identity}", [render(who, sample_pose(rng), CANVAS) for _ in range(VIEWS)]

    def __getstate__(self) -> dict[str, object]:
        return {name: value for name, value in super().__getstate__().items() if name != "_figures"}

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        self._figures = lru_cache(maxsize=BLOCK + 2)(self._render)
