"""How much pictures of two engines differ."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dynast_deploy.calib.quality import decibels


@dataclass
class PictureErrors:
    """Frames of two engines, collected one by one."""

    squares: list[float] = field(default_factory=list)
    largest: float = 0.0

    def add(self, first: np.ndarray, second: np.ndarray) -> None:
        """Images `[3, H, W]` in -1..1; NaN in either counts as the largest error there can be."""
        apart = np.nan_to_num(np.abs(first.astype(np.float64) - second), nan=2.0, posinf=2.0)
        self.squares.append(float(np.mean(apart**2)))
        self.largest = max(self.largest, float(apart.max()))

    @property
    def psnr(self) -> float:
        """dB over -1..1, of all frames together."""
        return decibels(float(np.mean(self.squares)))

    @property
    def worst(self) -> float:
        """dB of the frame that differs most."""
        return decibels(max(self.squares))

    def row(self, compared: str) -> dict[str, str | float]:
        """For the table; `largest_error` in levels of 0..255."""
        return {
            "compared": compared,
            "psnr_db": round(self.psnr, 1),
            "worst_frame_db": round(self.worst, 1),
            "largest_error": round(self.largest * 127.5, 2),
        }
