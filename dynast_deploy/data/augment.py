"""Augmentation as the published loader does it: enlarge, cut out a square at random, flip."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Augmentation:
    """`margin` is the size that pictures are brought to before the square is cut out, over the square's; `flip` mirrors
    every other picture, left and right parts exchanged."""

    margin: float = 1.0
    flip: bool = False


@dataclass(frozen=True)
class Cut:
    """One picture's augmentation: the size it is brought to, the square's corner in it, and whether it is mirrored."""

    loaded: int
    size: int
    left: int
    top: int
    flip: bool

    @staticmethod
    def sample(augmentation: Augmentation, size: int, rng: np.random.Generator) -> Cut:
        """A random cut of squares of `size` pixels."""
        loaded = max(size, round(size * augmentation.margin))
        left, top = (int(each) for each in rng.integers(0, loaded - size + 1, 2))
        return Cut(loaded, size, left, top, augmentation.flip and bool(rng.random() < 0.5))

    @staticmethod
    def none(size: int) -> Cut:
        """The whole picture at `size` pixels, not mirrored."""
        return Cut(size, size, 0, 0, False)

    def of(self, planes: np.ndarray) -> Tensor:
        """The square of `[C, loaded, loaded]` as a tensor of its own. What is to be mirrored comes mirrored."""
        square = planes[:, self.top : self.top + self.size, self.left : self.left + self.size]
        return torch.from_numpy(np.ascontiguousarray(square))
