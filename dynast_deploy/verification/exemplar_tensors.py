"""What passes between an engine's two halves, compared with the same of another engine."""

from __future__ import annotations

import numpy as np


class ExemplarTensorErrors:
    """Relative errors of the cut tensors: the largest seen of each, over all exemplars."""

    def __init__(self) -> None:
        self._worst: dict[str, float] = {}

    def add(self, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
        """Tensors of one exemplar; `expected` are the reference's. By name; those of one name have one shape."""
        for name, tensor in expected.items():
            difference = found[name].astype(np.float64) - tensor
            error = float(np.linalg.norm(difference) / max(float(np.linalg.norm(tensor)), 1e-30))
            self._worst[name] = max(self._worst.get(name, 0.0), error if np.isfinite(error) else np.inf)

    def table(self) -> list[dict[str, str | float]]:
        """A row a tensor, in the order in which the network makes them."""
        return [
            {"tensor": name, "relative_error": float(f"{error:.3g}")} for name, error in self._worst.items()
        ]
