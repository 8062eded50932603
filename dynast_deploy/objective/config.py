"""Weights of the objective's terms. Needs no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from dynast_deploy.errors import DynastError

MOST_DISCRIMINATOR = {"discriminator_channels": 1024, "discriminator_layers": 12, "discriminator_scales": 8}
"""So that a mistyped setting does not ask for the whole memory."""


class WarpMask(StrEnum):
    """Over which candidates the warp loss renormalises: those that the mask keeps, or, as published, the others."""

    KEPT = "kept"
    PUBLISHED = "published"


@dataclass(frozen=True)
class ObjectiveConfig:
    """A weight for every term (0 switches it off), and the settings that terms share.

    The terms are described in `docs/training.md`. Weights default to 0; those of a task are in its file in `tasks`.
    Raises DynastError for a weight that is negative or not a number, and for settings that are not positive.
    """

    reconstruction: float = 0.0
    mse: float = 0.0
    warp: float = 0.0
    surface: float = 0.0
    matching: float = 0.0
    prune: float = 0.0
    vgg: float = 0.0
    perceptual: float = 0.0
    adversarial: float = 0.0
    feature_matching: float = 0.0
    contextual: float = 0.0
    style: float = 0.0
    palette: float = 0.0
    structure: float = 0.0
    identity: float = 0.0
    identity_warp: float = 0.0
    identity_features: float = 0.0
    warp_mask: WarpMask = WarpMask.KEPT
    discriminator_channels: int = 64
    discriminator_layers: int = 4
    discriminator_scales: int = 2

    def __post_init__(self) -> None:
        for name, weight in self.weights().items():
            if not 0 <= weight < float("inf"):
                raise DynastError(f"objective: the weight {name} is {weight}; it must be 0 or positive")
        for name, most in MOST_DISCRIMINATOR.items():
            if not 1 <= getattr(self, name) <= most:
                raise DynastError(f"objective: {name} is {getattr(self, name)}; it must lie in 1..{most:,}")
        if self.warp_mask not in tuple(WarpMask):
            raise DynastError(
                f"objective: warp_mask is {self.warp_mask!r}; it must be one of {', '.join(WarpMask)}"
            )

    def weights(self) -> dict[str, float]:
        """Every term's weight by the term's name."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.type == "float"}

    @property
    def wants_discriminator(self) -> bool:
        """Whether a term of positive weight needs one."""
        return self.adversarial > 0 or self.feature_matching > 0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "objective") -> ObjectiveConfig:
        """The configuration in a dictionary of plain values.

        Raises:
            DynastError: Naming `source` and each unknown key, or the value that cannot be.
        """
        if unknown := sorted(set(values) - {field.name for field in fields(cls)}):
            raise DynastError(f"{source}: unknown terms or settings {', '.join(unknown)}")
        return cls(**values)


# Warp, adversarial, feature matching, VGG and perceptual weights stand to each other as in the published options (1000,
# 10, 10, 10, 0.001 of DeepFashion), all divided by 1000; published and own warp weights agree at as many blocks as
# pairs in a batch, since the published code sums over blocks and divides by the batch once more.
SUPERVISED = {
    "reconstruction": 1.0,
    "warp": 1.0,
    "matching": 1.0,
    "prune": 0.2,
    "vgg": 0.01,
    "perceptual": 1e-6,
    "adversarial": 0.01,
    "feature_matching": 0.01,
}
"""Terms of tasks whose samples have a true picture and true correspondences, as `tasks` weighs them."""
