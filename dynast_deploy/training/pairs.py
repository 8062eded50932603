"""Training pairs rendered on the fly: one marionette in two poses, one picture the exemplar, the other the target."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations
from typing import NamedTuple, TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.marionette import FIRST_EVALUATION_SEED, Figure, Identity, Part, render, sample_pose

CANVAS = 256
"""Pixels: pictures are drawn at this size and reduced, so that limbs are equally thick at every training size."""

POSES, POOL = 4, 240


class Pair(TypedDict):
    """Shapes `[C, size, size]`, float32, ranges as the generator's inputs.

    target_surface, exemplar_surface: `surface_code` of either picture.
    """

    condition: Tensor
    target: Tensor
    target_surface: Tensor
    exemplar: Tensor
    exemplar_condition: Tensor
    exemplar_surface: Tensor


class _View(NamedTuple):
    picture: Tensor
    condition: Tensor
    surface: Tensor


class MarionettePairs(IterableDataset[Pair]):
    """Endless pairs; identities with seeds below `FIRST_EVALUATION_SEED` train, those from it on evaluate.

    Every identity is drawn in `POSES` poses, since its cloth costs more than a pose, and gives a pair for each two of
    them. Pairs leave in random order through a pool of `POOL` of them.
    """

    def __init__(self, size: int, seed: int, held_out: bool = False) -> None:
        self.size, self.seed, self.held_out = size, seed, held_out

    def __iter__(self) -> Iterator[Pair]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        pool: list[Pair] = []
        while True:
            while len(pool) < POOL:
                pool += self._pairs_of_one(rng)
            yield pool.pop(int(rng.integers(len(pool))))

    def _pairs_of_one(self, rng: np.random.Generator) -> list[Pair]:
        """Every ordered pair of views of one identity."""
        identity_seed = int(rng.integers(FIRST_EVALUATION_SEED))
        identity_seed += FIRST_EVALUATION_SEED if self.held_out else 0
        identity = Identity.of_seed(identity_seed)
        views = [self._view(render(identity, sample_pose(rng), CANVAS)) for _ in range(POSES)]
        return [
            Pair(
                condition=target.condition,
                target=target.picture,
                target_surface=target.surface,
                exemplar=exemplar.picture,
                exemplar_condition=exemplar.condition,
                exemplar_surface=exemplar.surface,
            )
            for target, exemplar in permutations(views, 2)
        ]

    def _view(self, figure: Figure) -> _View:
        condition = pose_condition(figure.keypoints, (CANVAS, CANVAS), self.size)
        return _View(
            torch.from_numpy(picture_tensor(figure.picture, self.size)),
            torch.from_numpy(condition).float() / 255,
            torch.from_numpy(surface_code(figure.surface, self.size)),
        )


_PART_CODES = np.array(
    [[0] * 6] + [[1 if part >> bit & 1 else -1 for bit in range(6)] for part in Part if part], np.float32
)


def surface_code(surface: np.ndarray, size: int) -> np.ndarray:
    """A surface map `[H, W, 3]` (part, u, v) as `[9, size, size]` float32 whose channels may be averaged.

    Parts are six bits of -1 or 1, v becomes -1..1 as u is, and the background is 0 throughout.
    """
    nearest = ((np.arange(size) + 0.5) * surface.shape[0] / size).astype(np.intp)
    part, u, v = surface[nearest[:, None], nearest].transpose(2, 0, 1)
    body = (part > 0).astype(np.float32)
    codes = _PART_CODES[part.astype(np.intp)].transpose(2, 0, 1)
    return np.concatenate([codes, [u * body, (2 * v - 1) * body, body]]).astype(np.float32)
