"""SPADEs as nodes of a graph: maps are normalised, and scaled and shifted by what a signal says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.export import folding
from dynast_deploy.export.graph import Graph

if TYPE_CHECKING:
    from torch import nn

    from dynast_deploy.layers import SPADE


def submodule(module: nn.Module, name: str) -> Any:
    """`module.get_submodule(name)`, which is declared to be just a Module."""
    return module.get_submodule(name)


class Signal:
    """The condition (or the exemplar concatenated with its condition): what every SPADE listens to, and what it hears.

    A SPADE's gamma and beta depend on the signal alone, so one that is applied twice computes them once.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph, self.name = graph, name
        self._reduced: dict[int, str] = {}
        self._modulations: dict[SPADE, tuple[str, str]] = {}

    def modulate(self, spade: SPADE, name: str, x: str, scale: int) -> str:
        """`spade` applied to the map `x` of a scale."""
        graph = self.graph
        if spade not in self._modulations:
            self._modulations[spade] = self._gamma_beta(spade, name, scale)
        gamma, beta = self._modulations[spade]
        with graph.scope(name):
            normed = positional_norm(graph, x, spade.mlp_gamma.out_channels)
            return graph.op("Add", graph.op("Mul", gamma, normed, name="modulated"), beta, name="spade")

    def _gamma_beta(self, spade: SPADE, name: str, scale: int) -> tuple[str, str]:
        """`1 + gamma`, and beta."""
        graph, signal = self.graph, self._at(scale)
        with graph.scope(name):
            hidden = graph.conv3x3(
                signal, *folding.plain(submodule(spade, "mlp_shared.0")), name="mlp_shared"
            )
            hidden = graph.reflected(graph.op("Relu", hidden))
            gamma = graph.conv3x3(hidden, *folding.gamma(spade), name="gamma")
            return gamma, graph.conv3x3(hidden, *folding.plain(spade.mlp_beta), name="beta")

    def _at(self, scale: int) -> str:
        """The signal reduced to a scale by nearest neighbour, with a reflected border."""
        if scale not in self._reduced:
            graph, x, step = self.graph, self.name, 2 ** (scale - 1)
            with graph.scope(f"{self.name}_at{scale}"):
                if step > 1:
                    bounds = ([0, 0], [np.iinfo(np.int64).max] * 2, [2, 3], [step, step])
                    x = graph.op("Slice", x, *(graph.constant(bound) for bound in bounds), name="nearest")
                self._reduced[scale] = graph.reflected(x)
        return self._reduced[scale]


def positional_norm(graph: Graph, x: str, channels: int) -> str:
    """`x [N, C, H, W]` normalised over C with the unbiased variance, as `layers.positional_norm`."""
    with graph.scope("positional_norm"):
        axis = graph.constant([1])
        centred = graph.op("Sub", x, graph.op("ReduceMean", x, axis, keepdims=1), name="centred")
        for reduced in (x, centred):
            graph.state_channels(reduced, channels)
        squares = graph.op("ReduceSumSquare", centred, axis, keepdims=1)
        variance = graph.op("Mul", squares, graph.constant(1 / (channels - 1)), name="variance")
        deviation = graph.op("Sqrt", graph.op("Add", variance, graph.constant(1e-8)), name="deviation")
        return graph.op("Div", centred, deviation, name="normed")
