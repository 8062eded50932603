"""How much pictures of two engines differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dynast_deploy.metrics import mean_squared_error, psnr_of_error


@dataclass
class PictureErrors:
    """Frames of two engines, collected one by one: their mean squared errors, and the largest error of a value."""

    squares: list[float] = field(default_factory=list)
    largest: float = 0.0

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Images `[3, H, W]` in -1..1. One with NaN or infinity in it has 0 dB, and 2 as its largest error."""
        error = mean_squared_error(first, second)
        self.squares.append(error if np.isfinite(error) else np.inf)
        apart = np.nan_to_num(np.abs(first.astype(np.float64) - second), nan=2.0, posinf=2.0)
        self.largest = max(self.largest, float(apart.max()))

    @property
    def psnr(self) -> float:
        """dB over -1..1, of all frames together."""
        return psnr_of_error(float(np.mean(self.squares)), data_range=2)

    @property
    def worst(self) -> float:
        """dB of the frame that differs most."""
        return psnr_of_error(max(self.squares), data_range=2)

    def row(self, compared: str) -> dict[str, str | float]:
        """For the table; `largest_error` in levels of 0..255."""
        return {
            "compared": compared,
            "psnr_db": round(self.psnr, 1),
            "worst_frame_db": round(self.worst, 1),
            "largest_error": round(self.largest * 127.5, 2),
        }
