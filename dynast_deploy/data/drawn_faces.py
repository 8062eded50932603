"""Faces: one drawn face in two views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dynast_deploy.conditions import face_condition
from dynast_deploy.data.views import CANVAS, VIEWS, View, ViewPairs
from dynast_deploy.synthetic.faces import (
    FIRST_EVALUATION_SEED,
    Face,
    Portrait,
    correspondence,
    render,
    sample_view,
)


class DrawnFaces(ViewPairs):
    """Drawn portraits, the head turned and the face moved; identities with seeds below `FIRST_EVALUATION_SEED` train,
    those from it on are held out."""

    def draw(self, number: int) -> tuple[str, Sequence[View]]:
        """See `ViewPairs.draw`."""
        rng = np.random.default_rng([self.seed, number, int(self.held_out)])
        seed = int(rng.integers(FIRST_EVALUATION_SEED)) + FIRST_EVALUATION_SEED * self.held_out
        who = Face.of_seed(seed)
        portraits = [render(who, sample_view(rng), CANVAS) for _ in range(VIEWS)]
        return f"drawn face {seed}", [self._view(portrait) for portrait in portraits]

    def match(self, target: Portrait, exemplar: Portrait) -> tuple[np.ndarray, np.ndarray]:
        """See `ViewPairs.match`."""
        return correspondence(target, exemplar)

    def _view(self, portrait: Portrait) -> View:
        condition = face_condition(portrait.masks, portrait.picture, self.size)
        return View(portrait.picture, condition, portrait.surface, portrait)
