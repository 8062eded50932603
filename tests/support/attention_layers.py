"""Random attention layers for the tests of the native kernels, and the reference's answer in float64."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from dynast_deploy import attention
from dynast_deploy.attention_interface import Attention

REFERENCE = {
    "inter": attention.inter_scale_attention,
    "inner": attention.inner_scale_attention,
}


@dataclass(frozen=True)
class Layer:
    """One layer's sizes. The values are drawn from `seed`."""

    scale: str
    frames: int
    exemplars: int
    query_size: tuple[int, int]
    key_size: tuple[int, int]
    channels: int
    prune_channels: int
    value_channels: int
    warp_channels: int
    matches_k: int
    top_k: int
    temperature: float
    warp_mask: str
    few_matches: bool
    seed: int

    def matches(self) -> Tensor:
        """`[N, Lq/4 or Lq, K]` int64; with `few_matches` only three different ones, so that many coincide."""
        (qh, qw), (kh, kw) = self.query_size, self.key_size
        length, bound = (qh * qw, kh * kw) if self.scale == "inner" else (qh * qw // 4, kh // 2 * (kw // 2))
        generator = torch.Generator().manual_seed(self.seed + 1)
        matches = torch.randint(0, bound, (self.frames, length, self.matches_k), generator=generator)
        return matches % 3 * (bound - 1) // 2 if self.few_matches else matches

    def tensors(self) -> dict[str, Tensor]:
        """query, query_prune, key, key_prune, value and warp_source in float64, exact in float16."""
        generator = torch.Generator().manual_seed(self.seed)
        queries, keys = self.query_size[0] * self.query_size[1], self.key_size[0] * self.key_size[1]

        def normal(batch: int, length: int, channels: int) -> Tensor:
            return torch.randn(batch, length, channels, generator=generator).half().double()

        return {
            "query": (normal(self.frames, queries, self.channels) / self.channels).half().double(),
            "query_prune": normal(self.frames, queries, self.prune_channels),
            "key": normal(self.exemplars, keys, self.channels),
            "key_prune": normal(self.exemplars, keys, self.prune_channels),
            "value": normal(self.exemplars, keys, self.value_channels),
            "warp_source": normal(self.exemplars, keys, self.warp_channels),
        }

    @property
    def settings(self) -> dict[str, float]:
        return {
            "query_width": self.query_size[1],
            "key_width": self.key_size[1],
            "top_k": self.top_k,
            "temperature": self.temperature,
        }

    def reference(self, tensors: dict[str, Tensor]) -> Attention:
        return REFERENCE[self.scale](
            **tensors, matches=self.matches(), warp_mask=self.warp_mask, **self.settings
        )

    def candidates(self) -> Tensor:
        if self.scale == "inner":
            length = self.key_size[0] * self.key_size[1]
            return attention.inner_scale_candidates(
                self.matches(), self.query_size[1], self.key_size[1], length
            )
        return attention.inter_scale_candidates(self.matches(), self.query_size[1], self.key_size[1])

    def logits(self, tensors: dict[str, Tensor], keys: Tensor) -> Tensor:
        """Logits of the given keys `[N, Lq, M]`, in the type of the tensors."""
        gathered = attention.gather_tokens(tensors["key"], keys)
        return (gathered @ tensors["query"].unsqueeze(-1)).squeeze(-1) / self.temperature


@st.composite
def layers(draw: st.DrawFn, temperatures: tuple[float, ...] = (0.05, 0.3, 1.0)) -> Layer:
    """Layers of every kind: odd sizes, maps of different shape, shared exemplars, duplicates, every top_k."""
    scale = draw(st.sampled_from(["inter", "inner"]))
    frames = draw(st.integers(1, 3))
    small, even = st.integers(1, 7), st.integers(1, 4).map(lambda n: 2 * n)
    side = even if scale == "inter" else small
    matches_k = draw(st.integers(1, 16))
    return Layer(
        scale=scale,
        frames=frames,
        exemplars=draw(st.sampled_from([1, frames])),
        query_size=(draw(side), draw(side)),
        key_size=(draw(st.integers(2, 9)), draw(st.integers(2, 9))),
        channels=draw(st.integers(1, 90)),
        prune_channels=draw(st.integers(1, 20)),
        value_channels=draw(st.integers(1, 140)),
        warp_channels=draw(st.integers(1, 5)),
        matches_k=matches_k,
        top_k=draw(st.integers(1, min(16, matches_k * (5 if scale == "inner" else 4)))),
        temperature=draw(st.sampled_from(temperatures)),
        warp_mask=draw(st.sampled_from(["kept", "published"])),
        few_matches=draw(st.booleans()),
        seed=draw(st.integers(0, 1 << 20)),
    )


def relative_error(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest expected magnitude."""
    if expected.numel() == 0:
        return 0.0
    difference = (actual.detach().double() - expected.double()).abs().max()
    return float(difference / expected.detach().double().abs().max().clamp_min(1e-30))


def a_layer(**changes: object) -> Layer:
    sizes: dict[str, object] = {
        "scale": "inner",
        "frames": 2,
        "exemplars": 1,
        "query_size": (13, 9),
        "key_size": (7, 11),
        "channels": 21,
        "prune_channels": 5,
        "value_channels": 18,
        "warp_channels": 3,
        "matches_k": 4,
        "top_k": 4,
        "temperature": 0.1,
        "warp_mask": "kept",
        "few_matches": False,
        "seed": 3,
    }
    return Layer(**{**sizes, **changes})  # type: ignore[arg-type]


def in_type(tensors: dict[str, Tensor], dtype: torch.dtype, grad: bool = False) -> dict[str, Tensor]:
    return {name: tensor.detach().to(dtype).requires_grad_(grad) for name, tensor in tensors.items()}


def assert_same_matches(layer: Layer, tensors: dict[str, Tensor], actual: Tensor, expected: Tensor) -> None:
    """The same keys; where they differ, logits that differ by no more than rounding."""
    difference = layer.logits(tensors, actual) - layer.logits(tensors, expected)
    scale = (tensors["query"].abs().sum(-1).max() * tensors["key"].abs().max()) / layer.temperature
    assert difference.abs().max() <= 1e-6 * scale
    assert (actual == expected).float().mean() > 0.98 or layer.few_matches or (difference == 0).all()
