"""The generator's configuration, and where a bare state dict shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from dynast_deploy.errors import DynastError
from dynast_deploy.printable import shown

if TYPE_CHECKING:
    from torch import Tensor

SCALES = (4, 3, 2, 1)
"""Coarsest first; the map of scale s is `size / 2**(s - 1)` wide."""


LIMITS = {
    "semantic_nc": 256,
    "crop_size": 2048,
    "ngf": 1024,
    "max_multi": 64,
    "n_layers": 64,
    "pos_dim": 256,
    "prune_dim": 256,
    "top_k": 1024,
    "smooth": 1e6,
}
"""The largest value of each setting, so that a damaged file or a mistyped setting does not ask for the whole memory."""
MOST_WEIGHTS = 2**24
"""Of `n_layers * channels(4) ** 2`, by which parameters grow: 2**19 as published, with 92 million."""


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

    Raises:
        DynastError: Where a value is of another type, not positive or too large, or values do not fit each other.
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
            name, value = field.name, getattr(self, field.name)
            kinds = (int, float) if name == "smooth" else (int,)
            if type(value) not in kinds:
                needed = "a number" if name == "smooth" else "a whole number"
                raise DynastError(f"generator configuration: {name} is {shown(value)}; it must be {needed}")
            if not value > 0:
                raise DynastError(f"generator configuration: {name} is {shown(value)}; it must be positive")
            if value > (most := LIMITS[name]):
                raise DynastError(
                    f"generator configuration: {name} is {shown(value)}; no more than {most:,} are taken"
                )
        if self.crop_size % 8:
            raise DynastError(f"generator configuration: crop_size {self.crop_size} is not a multiple of 8")
        if self.top_k > (keys := (self.crop_size // 8) ** 2):
            raise DynastError(
                f"generator configuration: top_k is {self.top_k}, and the coarsest map of pictures of {self.crop_size} "
                f"pixels has {keys} keys to match"
            )
        if self.n_layers * self.channels(4) ** 2 > MOST_WEIGHTS:
            raise DynastError(
                f"generator configuration: ngf {self.ngf}, max_multi {self.max_multi} and n_layers {self.n_layers} "
                f"make a generator of gigabytes; n_layers * (widest scale)**2 may be {MOST_WEIGHTS:,}"
            )

    def multiplier(self, scale: int) -> int:
        """How many times the channels of scale 1 a scale (1 to 4) has."""
        return min(1 << (scale - 1), self.max_multi)

    def channels(self, scale: int) -> int:
        """Channels of the features of a scale, 1 to 4."""
        return self.ngf * self.multiplier(scale)

    def pos_channels(self, scale: int) -> int:
        """Channels of the position code of a scale, 1 to 4."""
        return self.pos_dim * self.multiplier(scale)

    def prune_channels(self, scale: int) -> int:
        """Channels of prune queries and prune keys of a scale, 1 to 4."""
        return self.prune_dim * self.multiplier(scale)

    @property
    def task(self) -> Task | None:
        """The task whose conditions have as many channels; None where no task's have."""
        return Task.of_channels(self.semantic_nc)

    def to_dict(self) -> dict[str, Any]:
        """The settings as plain values, for a file; `from_dict` reads them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any, source: str = "configuration") -> GeneratorConfig:
        """The configuration in a dictionary of plain values, whatever a file held in its place.

        Raises:
            DynastError: Naming `source`, where a key is unknown or missing or a value cannot be.
        """
        if not isinstance(values, Mapping):
            raise DynastError(
                f"{source}: its generator settings are not a table, but a {type(values).__name__}"
            )
        known = {field.name for field in fields(cls)}
        if unknown := sorted(str(name)[:40] for name in values if name not in known):
            first = ", ".join(unknown[:4]) + (f" and {len(unknown) - 4} more" if len(unknown) > 4 else "")
            raise DynastError(f"{source}: unknown generator settings {first}")
        if "semantic_nc" not in values:
            raise DynastError(f"{source}: semantic_nc is missing")
        return cls._of(source, **values)

    @classmethod
    def _of(cls, source: str, **values: Any) -> GeneratorConfig:
        try:
            return cls(**values)
        except DynastError as error:
            raise DynastError(f"{source}: {error}") from None

    @classmethod
    def from_state_dict(
        cls, state: Mapping[str, Tensor], top_k: int = 4, smooth: float = 0.01, source: str = "checkpoint"
    ) -> GeneratorConfig:
        """Everything but `top_k` and `smooth` follows from the shapes of a published state dict.

        Raises:
            DynastError: Naming `source`, where a parameter that shows a setting is missing or has other dimensions.
        """

        def shape(name: str, dimensions: int) -> tuple[int, ...]:
            stored = next((each for each in (name, name.removesuffix("_orig")) if each in state), None)
            if stored is None:
                raise DynastError(f"{source}: parameter {name} is missing, so this is not a DynaST generator")
            sides = tuple(state[stored].shape)
            if len(sides) != dimensions or not all(sides):
                raise DynastError(
                    f"{source}: {stored} has shape {list(sides)} where {dimensions} dimensions are needed, so this is "
                    "not a DynaST generator"
                )
            return sides

        ngf, semantic_nc = shape("encoder_q.layer1.0.weight_orig", 4)[:2]
        coarse = shape("encoder_q.layer4.0.weight_orig", 4)[0]
        layers = {name.split(".")[1] for name in state if name.startswith("transformer_4.")}
        return cls._of(
            source,
            semantic_nc=semantic_nc,
            crop_size=shape("pos_embed", 4)[-1] * 8,
            ngf=ngf,
            max_multi=coarse // ngf,
            n_layers=len(layers),
            pos_dim=shape("transformer_1.0.f.weight", 4)[1] - ngf,
            prune_dim=shape("transformer_1.0.f_prune.weight", 4)[0],
            top_k=top_k,
            smooth=smooth,
        )
