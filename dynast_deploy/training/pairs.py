"""Training pairs rendered on the fly: one marionette in two poses, one picture the exemplar, the other the target."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.marionette import (
    FIRST_HELD_OUT_SEED,
    Figure,
    Identity,
    correspondence,
    render,
    sample_pose,
)


class Pair(TypedDict):
    """Shapes `[C, size, size]`, float32, ranges as the generator's inputs.

    correspondence: where in the exemplar the target's surface point lies, x and y in -1..1 (edge to edge);
    visible: 1 where it can be seen there, else 0.
    """

    condition: Tensor
    target: Tensor
    exemplar: Tensor
    exemplar_condition: Tensor
    correspondence: Tensor
    visible: Tensor


CANVAS = 256
"""Pixels: pictures are drawn at this size and reduced, so that limbs are equally thick at every training size."""


class MarionettePairs(IterableDataset[Pair]):
    """Endless pairs; identities with seeds below `FIRST_HELD_OUT_SEED` train, those above evaluate."""

    def __init__(self, size: int, seed: int, held_out: bool = False) -> None:
        self.size, self.seed, self.held_out = size, seed, held_out

    def __iter__(self) -> Iterator[Pair]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, worker.id if worker else 0])
        while True:
            identity_seed = int(rng.integers(FIRST_HELD_OUT_SEED))
            identity_seed += FIRST_HELD_OUT_SEED if self.held_out else 0
            identity = Identity.sample(np.random.default_rng(identity_seed))
            figures = [render(identity, sample_pose(rng), CANVAS) for _ in range(2)]
            views = [self._view(figure) for figure in figures]
            for target, exemplar in ((0, 1), (1, 0)):
                flow, visible = correspondence(figures[target], figures[exemplar])
                yield self._pair(views[target], views[exemplar], flow, visible)

    def _view(self, figure: Figure) -> tuple[Tensor, Tensor]:
        condition = pose_condition(figure.keypoints, (CANVAS, CANVAS), self.size)
        picture = picture_tensor(figure.picture, self.size)
        return torch.from_numpy(picture), torch.from_numpy(condition).float() / 255

    def _pair(
        self,
        target: tuple[Tensor, Tensor],
        exemplar: tuple[Tensor, Tensor],
        flow: np.ndarray,
        visible: np.ndarray,
    ) -> Pair:
        step = CANVAS // self.size
        centre = slice(step // 2, None, step)
        coordinates = torch.from_numpy(flow[centre, centre].transpose(2, 0, 1)) * (2 / CANVAS) - 1
        seen = torch.from_numpy(visible[centre, centre]).float()[None]
        return Pair(
            condition=target[1],
            target=target[0],
            exemplar=exemplar[0],
            exemplar_condition=exemplar[1],
            correspondence=coordinates.nan_to_num() * seen,
            visible=seen,
        )
