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
from dynast_deploy.marionette import FIRST_EVALUATION_SEED, Figure, Identity, correspondence, render, sample_pose

CANVAS = 256
"""Pixels: pictures are drawn at this size and reduced, so that limbs are equally thick at every training size."""

POSES, POOL = 4, 240


class Pair(TypedDict):
    """Shapes `[C, size, size]`, float32, ranges as the generator's inputs; `correspondence` as `matching.sample_truth`
    takes it."""

    condition: Tensor
    target: Tensor
    exemplar: Tensor
    exemplar_condition: Tensor
    correspondence: Tensor


class _View(NamedTuple):
    figure: Figure
    picture: np.ndarray
    condition: np.ndarray


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
        pool: list[tuple[_View, _View]] = []
        while True:
            while len(pool) < POOL:
                pool += permutations(self._views_of_one(rng), 2)
            yield self._pair(*pool.pop(int(rng.integers(len(pool)))))

    def _views_of_one(self, rng: np.random.Generator) -> list[_View]:
        identity_seed = int(rng.integers(FIRST_EVALUATION_SEED))
        identity_seed += FIRST_EVALUATION_SEED if self.held_out else 0
        identity = Identity.of_seed(identity_seed)
        return [self._view(render(identity, sample_pose(rng), CANVAS)) for _ in range(POSES)]

    def _view(self, figure: Figure) -> _View:
        condition = pose_condition(figure.keypoints, (CANVAS, CANVAS), self.size)
        return _View(figure, picture_tensor(figure.picture, self.size), condition)

    def _pair(self, target: _View, exemplar: _View) -> Pair:
        return Pair(
            condition=torch.from_numpy(target.condition).float() / 255,
            target=torch.from_numpy(target.picture),
            exemplar=torch.from_numpy(exemplar.picture),
            exemplar_condition=torch.from_numpy(exemplar.condition).float() / 255,
            correspondence=torch.from_numpy(pair_correspondence(target.figure, exemplar.figure, self.size)),
        )


def pair_correspondence(target: Figure, exemplar: Figure, size: int) -> np.ndarray:
    """`[3, size, size]` float32 as `matching.sample_truth` takes it. The backdrop stays where it is, and is visible where
    the exemplar's figure does not stand before it."""
    at, visible = correspondence(target, exemplar)
    height, width = visible.shape
    y, x = np.mgrid[:height, :width]
    backdrop = target.surface[..., 0] == 0
    at = np.where(backdrop[..., None], np.stack([x, y], -1), at)
    visible = np.where(backdrop, exemplar.surface[..., 0] == 0, visible)
    nearest = ((np.arange(size) + 0.5) * height / size).astype(np.intp)
    # The pixel that stands for a reduced one lies this far from its centre.
    off = nearest[0] + 0.5 - 0.5 * height / size
    share = (at[nearest[:, None], nearest] + 0.5 - off) / (width, height)
    shown = visible[nearest[:, None], nearest]
    # What lies outside of the exemplar's picture is hidden in any case; 0 would say that nothing is known of it.
    share = np.clip(share, 1e-4, 1)
    return np.concatenate([share.transpose(2, 0, 1), shown[None]]).astype(np.float32)
