"""Two views of one thing, as samples: what the sources that draw their pictures share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dynast_deploy.conditions import picture_tensor
from dynast_deploy.data.sample import Sample, SampleStream
from dynast_deploy.data.surface_code import surface_code

VIEWS = 4
"""Of each identity, whose textures cost more to paint than a view to draw."""

BLOCK = 16
"""Identities whose pairs are shuffled together."""

CANVAS = 256
"""Pixels: pictures are drawn at this size and reduced, so that limbs are equally thick at every training size."""

_PAIRS = list(permutations(range(VIEWS), 2))


class View(NamedTuple):
    """One picture of an identity.

    picture: uint8 [H, W, 3]. condition: uint8 [S, size, size]. surface: float32 [H, W, 3] (part, u, v). drawn: what
    `ViewPairs.match` needs.
    """

    picture: np.ndarray
    condition: np.ndarray
    surface: np.ndarray
    drawn: Any


class ViewPairs(SampleStream):
    """Pairs of views of one identity after another, supervised.

    An identity is drawn in `VIEWS` views and gives a pair for each two of them, in either order; pairs of `BLOCK`
    identities come in random order. A process keeps the views of about one block.
    """

    def __init__(self, size: int, seed: int, held_out: bool) -> None:
        self.size, self.seed, self.held_out = size, seed, held_out
        self._views = lru_cache(maxsize=BLOCK + 2)(self.draw)

    @abstractmethod
    def draw(self, number: int) -> tuple[str, Sequence[View]]:
        """The name and the `VIEWS` views of the identity of that number, from 0; the number and the seed determine
        both."""

    @abstractmethod
    def match(self, target: Any, exemplar: Any) -> tuple[np.ndarray, np.ndarray]:
        """Where the view with `drawn` `target` is found in that with `exemplar`: float32 [H, W, 2] in pixels, x and y,
        and whether it is visible there, bool [H, W]."""

    def __getitem__(self, index: int) -> Sample:
        block, place = divmod(index, BLOCK * len(_PAIRS))
        order = np.random.default_rng([self.seed, block, int(self.held_out), 1])
        number, pair = divmod(int(order.permutation(BLOCK * len(_PAIRS))[place]), len(_PAIRS))
        number += block * BLOCK
        name, views = self._views(number)
        target, exemplar = (views[view] for view in _PAIRS[pair])
        return Sample(
            condition=_condition(target),
            target=self._picture(target),
            exemplar=self._picture(exemplar),
            exemplar_condition=_condition(exemplar),
            same_identity=torch.tensor(True),
            correspondence=self._correspondence(*self.match(target.drawn, exemplar.drawn)),
            name="{}, views {} -> {}".format(name, *reversed(_PAIRS[pair])),
            skipped="",
            target_surface=torch.from_numpy(surface_code(target.surface, self.size)),
            exemplar_surface=torch.from_numpy(surface_code(exemplar.surface, self.size)),
        )

    def __getstate__(self) -> dict[str, object]:
        """Worker processes start with no views kept."""
        return {name: value for name, value in self.__dict__.items() if name != "_views"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._views = lru_cache(maxsize=BLOCK + 2)(self.draw)

    def _picture(self, view: View) -> Tensor:
        return torch.from_numpy(picture_tensor(view.picture, self.size))

    def _correspondence(self, at: np.ndarray, visible: np.ndarray) -> Tensor:
        """[3, size, size] from positions and visibility at the size of the views, at the nearest pixels."""
        canvas = len(visible)
        if canvas == self.size:
            share = np.where(visible, (at + 0.5).transpose(2, 0, 1) / canvas, 0)
            return torch.from_numpy(np.concatenate([share, visible[None]]).astype(np.float32))
        nearest = ((np.arange(self.size) + 0.5) * canvas / self.size).astype(np.intp)
        shown = visible[nearest[:, None], nearest]
        # The nearest pixel's centre is not the small pixel's: the difference moves the match along.
        shift = ((np.arange(self.size) + 0.5) * canvas / self.size - 0.5 - nearest).astype(np.float32)
        share = at[nearest[:, None], nearest] + 0.5
        share[..., 0] += shift[None, :]
        share[..., 1] += shift[:, None]
        share = np.where(shown[..., None], share / canvas, 0)
        return torch.from_numpy(np.concatenate([share.transpose(2, 0, 1), shown[None]]).astype(np.float32))


def _condition(view: View) -> Tensor:
    return torch.from_numpy(np.divide(view.condition, np.float32(255), dtype=np.float32))
