"""One attention layer with random input, for measuring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

TOP_K, TEMPERATURE = 4, 0.01


@dataclass(frozen=True)
class AttentionCase:
    """One attention layer on square maps.

    Matches are smooth, as in practice: neighbours match neighbours, so that most candidates were just read for another
    query. Or they are scattered all over, which no cache can help. `benchmarks/match_coherence.py` says where an engine
    lies between the two.

    scale is "inter", "inner" or "dense", the coarsest layer, in which every key is a candidate.
    """

    scale: str
    size: int
    channels: int
    prune_channels: int
    value_channels: int
    dtype: str
    scattered: bool
    threads: int

    @property
    def bytes(self) -> int:
        """Bytes of all inputs and outputs, each once."""
        queries = keys = self.size**2
        features = self.channels + self.prune_channels
        floats = queries * (features + self.value_channels + 1) + keys * (features + self.value_channels)
        matches = queries * TOP_K * {"dense": 1, "inter": 1.25, "inner": 2}[self.scale]
        return int(floats * np.dtype(self.dtype).itemsize + matches * 4)

    def arrays(self) -> dict[str, np.ndarray]:
        """Inputs of the operator, N = E = 1. By name, with the shapes in plugins/README.md; matches are int32."""
        random = np.random.default_rng(0)
        length = self.size**2

        def normal(channels: int, scale: float = 1.0) -> np.ndarray:
            return (scale * random.standard_normal((1, length, channels), np.float32)).astype(self.dtype)

        tensors = {
            "query": normal(self.channels, 1 / self.channels),
            "query_prune": normal(self.prune_channels),
            "key": normal(self.channels),
            "key_prune": normal(self.prune_channels),
            "value": normal(self.value_channels),
        }
        return tensors if self.scale == "dense" else {**tensors, "matches": self._matches(random)}

    @property
    def settings(self) -> dict[str, Any]:
        """The operator's attributes."""
        if self.scale == "dense":
            return {"top_k": TOP_K, "temperature": self.channels**0.5}
        widths = {"query_width": self.size, "key_width": self.size}
        return {**widths, "top_k": TOP_K, "temperature": TEMPERATURE}

    def _matches(self, random: np.random.Generator) -> np.ndarray:
        size = self.size if self.scale == "inner" else self.size // 2
        if self.scattered:
            return random.integers(0, size**2, (1, size**2, TOP_K), dtype=np.int32)
        rows, columns = np.divmod(np.arange(size**2), size)
        shifts = ((1, 2), (0, 3), (5, 1), (9, 0))
        shifted = [(rows + dy) % size * size + (columns + dx) % size for dy, dx in shifts]
        return np.stack(shifted, -1)[None].astype(np.int32)


def published_cases(size: int, threads: int) -> list[AttentionCase]:
    """The layers of the published model for a picture of `size`: its finest scale and its coarsest."""
    fine = (size, 80, 16, 64)
    coarse = (max(1, size // 8), 640, 128, 512)
    return [
        AttentionCase(scale, *sizes, dtype=dtype, scattered=scattered, threads=threads)
        for scale, sizes, dtype, scattered in (
            ("inner", fine, "float32", False),
            ("inner", fine, "float32", True),
            ("inner", fine, "float16", False),
            ("inner", fine, "float16", True),
            ("inter", fine, "float32", False),
            ("inter", fine, "float32", True),
            ("inter", fine, "float16", False),
            ("dense", coarse, "float32", False),
            ("dense", coarse, "float16", False),
        )
    ]
