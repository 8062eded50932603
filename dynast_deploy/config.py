"""The generator's configuration, and where a bare state dict shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dynast_deploy.errors import DynastError

if TYPE_CHECKING:
    from torch import Tensor

SCALES = (4, 3, 2, 1)
"""Coarsest first; the map of scale s is `size / 2**(s - 1)` wide."""


class Task(StrEnum):
    """What the condition shows."""

    POSE = "pose"
    FACE = "face"
    STYLE = "style"

    @property
    def semantic_nc(self) -> int:
        """Channels of the condition."""
        return {Task.POSE: 20, Task.FACE: 15, Task.STYLE: 3}[self]

    @classmethod
    def of_channels(cls, semantic_nc: int) -> Task | None:
        """The task whose conditions have that many channels, or None."""
        return next((task for task in cls if task.semantic_nc == semantic_nc), None)


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of a DynaST generator; the published code's option names.

    semantic_nc: channels of the condition (20 pose, 15 face, 3 style).
    crop_size: picture size in pixels that the position code was trained for, a multiple of 8.
    ngf, max_multi: scale s has `ngf * min(2**(s-1), max_multi)` channels.
    n_layers: attention blocks per scale. pos_dim, prune_dim: widths of position code and prune vectors at scale 1.
    top_k: matches kept per query. smooth: softmax temperature at scales 3, 2 and 1.
    """

    semantic_nc: int
    crop_size: int = 256
    ngf: int = 64
    max_multi: int = 8
    n_layers: int = 2
    pos_dim: int = 16
    prune_dim: int = 16
    top_k: int = 4
    smooth: float = 0.01

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise DynastError(f"generator configuration: {field.name} is {value}; it must be positive")
        if self.crop_size % 8:
            raise DynastError(f"generator configuration: crop_size {self.crop_size} is no multiple of 8")

    def multiplier(self, scale: int) -> int:
        return min(2 ** (scale - 1), self.max_multi)

    def channels(self, scale: int) -> int:
        return self.ngf * self.multiplier(scale)

    def pos_channels(self, scale: int) -> int:
        return self.pos_dim * self.multiplier(scale)

    def prune_channels(self, scale: int) -> int:
        return self.prune_dim * self.multiplier(scale)

    @property
    def task(self) -> Task | None:
        return Task.of_channels(self.semantic_nc)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], source: str = "configuration") -> GeneratorConfig:
        """Raises DynastError that names `source` and every key that is unknown or missing."""
        known = {field.name for field in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise DynastError(f"{source}: unknown generator settings {', '.join(unknown)}")
        if "semantic_nc" not in values:
            raise DynastError(f"{source}: semantic_nc is missing")
        return cls(**values)

    @classmethod
    def from_state_dict(
        cls, state: Mapping[str, Tensor], top_k: int = 4, smooth: float = 0.01, source: str = "checkpoint"
    ) -> GeneratorConfig:
        """Everything but `top_k` and `smooth` follows from the shapes of a published state dict."""

        def shape(name: str) -> tuple[int, ...]:
            if name not in state:
                raise DynastError(f"{source}: parameter {name} is missing, so this is no DynaST generator")
            return tuple(state[name].shape)

        ngf, semantic_nc = shape("encoder_q.layer1.0.weight_orig")[:2]
        coarse = shape("encoder_q.layer4.0.weight_orig")[0]
        layers = {name.split(".")[1] for name in state if name.startswith("transformer_4.")}
        return cls(
            semantic_nc=semantic_nc,
            crop_size=shape("pos_embed")[-1] * 8,
            ngf=ngf,
            max_multi=coarse // ngf,
            n_layers=len(layers),
            pos_dim=shape("transformer_1.0.f.weight")[1] - ngf,
            prune_dim=shape("transformer_1.0.f_prune.weight")[0],
            top_k=top_k,
            smooth=smooth,
        )
