"""How alike two pictures are. Pictures are uint8 `[H, W, 3]`; a figure is a bool mask `[H, W]`."""

from __future__ import annotations

import cv2
import numpy as np

WINDOW, SIGMA = 11, 1.5
"""Pixels: the Gaussian window of SSIM."""


def psnr(picture: np.ndarray, truth: np.ndarray, figure: np.ndarray | None = None) -> float:
    """Peak signal-to-noise ratio in dB over 0..255, of all channels together; of the figure's pixels where it is given.

    Equal pictures give 100 rather than infinity, which no mean survives.
    """
    error = (picture.astype(np.float64) - truth) ** 2
    mean = float(np.mean(error if figure is None else error[figure]))
    return 100.0 if mean == 0 else min(100.0, float(10 * np.log10(255**2 / mean)))


def ssim(picture: np.ndarray, truth: np.ndarray, figure: np.ndarray | None = None) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004), the mean over R, G and B and over positions.

    Gaussian windows of 11 pixels and deviation 1.5, K1 = 0.01, K2 = 0.03, population statistics, windows that leave the
    picture left out; what scikit-image gives with `gaussian_weights=True, use_sample_covariance=False, sigma=1.5,
    data_range=255, channel_axis=2`. With a figure, the mean over windows that have their centre on it.
    """
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    mean_x, mean_y = _blurred(x), _blurred(y)
    variance_x = _blurred(x * x) - mean_x**2
    variance_y = _blurred(y * y) - mean_y**2
    covariance = _blurred(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    border = WINDOW // 2
    inside = similarity[border:-border, border:-border].mean(2)
    if figure is None:
        return float(inside.mean())
    chosen = inside[figure[border:-border, border:-border]]
    return float(chosen.mean()) if chosen.size else float("nan")


def _blurred(x: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(x, (WINDOW, WINDOW), SIGMA)
