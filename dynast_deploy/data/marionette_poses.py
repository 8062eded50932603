"""Poses: one marionette in two poses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynast_deploy.conditions import pose_condition
from dynast_deploy.data.views import CANVAS, VIEWS, View, ViewPairs
from dynast_deploy.synthetic.people import (
    FIRST_EVALUATION_SEED,
    Figure,
    Identity,
    correspondence,
    render,
    sample_pose,
)


class MarionettePoses(ViewPairs):
    """Dressed people in two poses; identities with seeds below `FIRST_EVALUATION_SEED` train, those from it on are
    held out."""

    def draw(self, number: int) -> tuple[str, Sequence[View]]:
        """See `ViewPairs.draw`."""
        rng = np.random.default_rng([self.seed, number, int(self.held_out)])
        seed = int(rng.integers(FIRST_EVALUATION_SEED)) + FIRST_EVALUATION_SEED * self.held_out
        who = Identity.of_seed(seed)
        figures = [render(who, sample_pose(rng), CANVAS) for _ in range(VIEWS)]
        return f"marionette {seed}", [self._view(figure) for figure in figures]

    def match(self, target: Figure, exemplar: Figure) -> tuple[np.ndarray, np.ndarray]:
        """See `ViewPairs.match`."""
        return correspondence(target, exemplar)

    def _view(self, figure: Figure) -> View:
        condition = pose_condition(figure.keypoints, (CANVAS, CANVAS), self.size)
        return View(figure.picture, condition, figure.surface, figure)
