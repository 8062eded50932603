"""Means of the terms since the last row of the log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from dynast_deploy.training.networks import Terms
from dynast_deploy.training.processes import Processes


class Means:
    """Sums of terms, started from what `contents` gave: a resumed run logs the same rows. Every process has to make the
    same calls."""

    def __init__(self, contents: Mapping[str, Any], processes: Processes) -> None:
        self._processes = processes
        self._sums: Terms = {
            name: total if processes.main else torch.zeros_like(total)
            for name, total in contents.get("sums", {}).items()
        }
        self._steps: int = contents.get("steps", 0)

    def add(self, terms: Terms) -> None:
        """One step's terms, scalars, of this process."""
        for name, term in terms.items():
            known = self._sums.get(name)
            self._sums[name] = term.double() if known is None else known.to(term.device) + term
        self._steps += 1

    def taken(self) -> dict[str, float]:
        """The means over steps and processes; sums begin anew."""
        count = self._steps * self._processes.world
        means = {name: float(total) / count for name, total in self._totals().items()}
        self._sums, self._steps = {}, 0
        return means

    def contents(self) -> dict[str, Any]:
        """Sums and steps since the last row, for a checkpoint to go on from."""
        return {"sums": self._totals(), "steps": self._steps}

    def _totals(self) -> Terms:
        if not self._sums:
            return {}
        totals = self._processes.total(torch.stack(list(self._sums.values())))
        return dict(zip(self._sums, totals.cpu().unbind(), strict=True))
