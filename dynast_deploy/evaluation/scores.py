"""Scores of several ways of rendering, collected over samples."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from dynast_deploy.metrics import psnr, ssim

Rows = list[dict[str, str | float | int]]


@dataclass
class Scores:
    """Values by way of rendering and measure. A measure that a sample does not have is missing from its mean."""

    values: dict[str, dict[str, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )

    def add(self, way: str, measure: str, value: float) -> None:
        """Add the value of one sample; NaN, a measure that the sample does not have, is left out."""
        if not np.isnan(value):
            self.values[way][measure].append(value)

    def compare(self, way: str, picture: np.ndarray, truth: np.ndarray, figure: np.ndarray | None) -> None:
        """PSNR and SSIM of pictures uint8 `[H, W, 3]`, and on the figure, bool `[H, W]`, if there is one."""
        self.add(way, "psnr_db", psnr(picture, truth, data_range=255))
        self.add(way, "ssim", ssim(picture, truth, data_range=255))
        if figure is not None and figure.any():
            self.add(way, "psnr_figure_db", psnr(picture, truth, data_range=255, mask=figure))
            self.add(way, "ssim_figure", ssim(picture, truth, data_range=255, mask=figure))

    def gains(self, way: str, measure: str, over: dict[str, tuple[str, ...]]) -> dict[str, float]:
        """By how much the mean of `way` exceeds the best of each group of others, of which some may be missing."""
        mean = {
            name: float(np.mean(found[measure])) for name, found in self.values.items() if measure in found
        }
        best = {
            name: max((mean[other] for other in others if other in mean), default=None)
            for name, others in over.items()
        }
        return {name: round(mean[way] - score, 4) for name, score in best.items() if score is not None}

    def table(self) -> Rows:
        """A row a way of rendering: the means."""
        measures = list(dict.fromkeys(name for found in self.values.values() for name in found))
        return [
            {
                "painted": way,
                **{name: round(float(np.mean(found[name])), 4) for name in measures if name in found},
            }
            for way, found in self.values.items()
        ]
