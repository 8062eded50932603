"""How alike two pictures are: PSNR and SSIM.

Pictures have any shape and type of number; both the same shape. `data_range` is what the largest value of a picture may
differ from the smallest by: 255 for 0..255, 2 for -1..1.
"""

from __future__ import annotations

import numpy as np

HIGHEST_PSNR = 150.0
"""dB that equal pictures have, and the most that any two have. More cannot be told from float32 rounding, and infinity
would make every mean infinite."""

WINDOW = 11
"""Height and width of SSIM's Gaussian windows in pixels."""
SIGMA = 1.5
"""Standard deviation of SSIM's Gaussian windows in pixels."""


def mean_squared_error(picture: np.ndarray, truth: np.ndarray, mask: np.ndarray | None = None) -> float:
    """The mean of the squared differences, in float64; NaN or infinite where a picture is.

    mask: bool, of the pictures' first dimensions (`[H, W]` for `[H, W, 3]`); only where it is True is compared, and the
    result is NaN where it is True nowhere.

    Raises:
        ValueError: The pictures' shapes differ.
    """
    if picture.shape != truth.shape:
        raise ValueError(f"pictures of different shapes: {picture.shape} and {truth.shape}")
    with np.errstate(invalid="ignore"):  # infinity less infinity
        error = np.square(picture.astype(np.float64) - truth)
    if mask is not None:
        error = error[mask]
    return float(error.mean()) if error.size else float("nan")


def psnr_of_error(squared_error: float, data_range: float) -> float:
    """The peak signal-to-noise ratio in dB that belongs to a mean squared error, at most `HIGHEST_PSNR`.

    0 dB for an error of NaN or infinity, so that a picture with NaN in it fails every target.
    """
    if not squared_error < np.inf:
        return 0.0
    if squared_error <= 0:
        return HIGHEST_PSNR
    return min(HIGHEST_PSNR, float(10 * np.log10(data_range**2 / squared_error)))


def psnr(
    picture: np.ndarray, truth: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> float:
    """Peak signal-to-noise ratio in dB of all channels together, at most `HIGHEST_PSNR`.

    0 dB where a compared value of either picture is NaN or infinite. `mask` as in `mean_squared_error`; NaN where it is
    True nowhere.

    Raises:
        ValueError: The pictures' shapes differ.
    """
    if mask is not None and not mask.any():
        return float("nan")
    return psnr_of_error(mean_squared_error(picture, truth, mask), data_range)


def ssim(
    picture: np.ndarray, truth: np.ndarray, *, data_range: float, mask: np.ndarray | None = None
) -> float:
    """Structural similarity (Wang et al., IEEE TIP 2004) of pictures `[H, W, C]`, the mean over channels and windows.

    Gaussian windows of 11 pixels and deviation 1.5, K1 = 0.01, K2 = 0.03, population statistics, only windows that lie
    in the picture; what scikit-image gives with `gaussian_weights=True, use_sample_covariance=False, sigma=1.5,
    channel_axis=2`. 1 for equal pictures, -1 (the lowest there is) where either holds NaN or infinity.

    mask: bool `[H, W]`; only windows whose centre is on it count. NaN where no window counts.

    Raises:
        ValueError: The pictures' shapes differ.
    """
    if picture.shape != truth.shape:
        raise ValueError(f"pictures of different shapes: {picture.shape} and {truth.shape}")
    x, y = picture.astype(np.float64), truth.astype(np.float64)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return -1.0
    if min(x.shape[:2]) < WINDOW:
        return float("nan")
    mean_x, mean_y = _window_means(x), _window_means(y)
    variance_x = _window_means(x * x) - mean_x**2
    variance_y = _window_means(y * y) - mean_y**2
    covariance = _window_means(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    by_window = similarity.mean(2)
    if mask is not None:
        border = WINDOW // 2
        by_window = by_window[mask[border:-border, border:-border]]
    return float(by_window.mean()) if by_window.size else float("nan")


def _window_means(x: np.ndarray) -> np.ndarray:
    """Weighted means of every window that lies in `[H, W, C]`: `[H - 10, W - 10, C]`."""
    distance = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (distance / SIGMA) ** 2)
    weights /= weights.sum()
    height, width = (side - WINDOW + 1 for side in x.shape[:2])
    rows = sum(weight * x[start : start + height] for start, weight in enumerate(weights))
    result: np.ndarray = sum(weight * rows[:, start : start + width] for start, weight in enumerate(weights))
    return result
