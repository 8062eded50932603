"""Edges of a grey picture: scikit-image's default Canny detector, without scikit-image.

The published faces were prepared with `skimage.feature.canny(grey)`. OpenCV's detector finds other edges (it
works on integers, without smoothing or interpolation), so the arithmetic is followed here in float64,
operation by operation: on the same machine the result is the same to the last pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

SIGMA_REACH = 4  # the Gaussian has sigma 1 and is cut at 4 sigma
LOW_THRESHOLD = float(np.float32(0.1))  # scikit-image's inner loop takes it in single precision
HIGH_THRESHOLD = 0.2


def canny_edges(grey: np.ndarray) -> np.ndarray:
    """bool [H, W]: the edges of `grey`, uint8 [H, W], with sigma 1 and thresholds 0.1 and 0.2 of the range.

    The outermost pixels are never edges. Follows J. Canny, "A Computational Approach to Edge Detection",
    PAMI 8, 1986, in scikit-image's form (0.22 to 0.26).
    """
    # Weights lost beyond the border are made up for by dividing by the smoothed picture of ones.
    smoothed = _gaussian(grey * (1 / 255)) / (_gaussian(np.ones(grey.shape)) + np.finfo(np.float64).eps)
    down, across = _sobel(smoothed, 0), _sobel(smoothed, 1)
    magnitude = np.sqrt(down * down + across * across)

    ridge = _ridge_pixels(down, across, magnitude)
    _, labels = cv2.connectedComponents(ridge.astype(np.uint8), connectivity=8)
    strong = np.zeros(labels.max() + 1, bool)
    strong[labels[ridge & (magnitude >= HIGH_THRESHOLD)]] = True
    edges: np.ndarray = strong[labels]
    return edges


def _gaussian(picture: np.ndarray) -> np.ndarray:
    offsets = np.arange(-SIGMA_REACH, SIGMA_REACH + 1)
    weights = np.exp(-0.5 * offsets**2)
    weights = weights / weights.sum()
    half_kernel = weights[: SIGMA_REACH + 1]  # from the far end to the centre
    return _symmetric_filter(
        _symmetric_filter(picture, half_kernel, 0, "constant"), half_kernel, 1, "constant"
    )


def _sobel(picture: np.ndarray, axis: int) -> np.ndarray:
    padding = [(1, 1) if each == axis else (0, 0) for each in (0, 1)]
    padded = np.moveaxis(np.pad(picture, padding, "symmetric"), axis, 0)
    slope = np.moveaxis(padded[2:] - padded[:-2], 0, axis)
    return _symmetric_filter(slope, np.array([1.0, 2.0]), 1 - axis, "symmetric")


def _symmetric_filter(picture: np.ndarray, half_kernel: np.ndarray, axis: int, border: str) -> np.ndarray:
    """Filter along one axis, adding from the centre and then from the far ends inwards, two pixels at a time.

    Floating-point sums depend on their order, and this is SciPy's.
    """
    reach = len(half_kernel) - 1
    padding = [(reach, reach) if each == axis else (0, 0) for each in (0, 1)]
    padded = np.moveaxis(np.pad(picture, padding, border), axis, 0)  # type: ignore[call-overload]
    length = picture.shape[axis]
    total = padded[reach : reach + length] * half_kernel[reach]
    for offset in range(reach, 0, -1):
        before = padded[reach - offset : reach - offset + length]
        after = padded[reach + offset : reach + offset + length]
        total += (before + after) * half_kernel[reach - offset]
    return np.moveaxis(total, 0, axis)


def _ridge_pixels(down: np.ndarray, across: np.ndarray, magnitude: np.ndarray) -> np.ndarray:
    """bool [H, W]: pixels above the low threshold whose magnitude no neighbour along the gradient exceeds.

    The neighbour is interpolated between the two pixels that the gradient passes between: the nearer one
    along the steeper axis, and the diagonal one.
    """
    candidates = magnitude >= LOW_THRESHOLD
    candidates[[0, -1], :] = False
    candidates[:, [0, -1]] = False
    rows, columns = np.nonzero(candidates)
    slope_down, slope_across = down[rows, columns], across[rows, columns]
    peak = magnitude[rows, columns]

    # Zero slopes count as negative; on a tie of the two slopes the straight neighbour has weight 0.
    step_down = np.where(slope_down > 0, 1, -1)
    step_across = np.where(slope_across > 0, 1, -1)
    steep_down, steep_across = np.abs(slope_down), np.abs(slope_across)
    mostly_down = steep_down > steep_across
    weight = np.minimum(steep_down, steep_across) / np.maximum(steep_down, steep_across)
    straight_down = np.where(mostly_down, step_down, 0)
    straight_across = np.where(mostly_down, 0, step_across)

    is_peak = np.ones(len(peak), bool)
    for sign in (1, -1):
        straight = magnitude[rows + sign * straight_down, columns + sign * straight_across]
        diagonal = magnitude[rows + sign * step_down, columns + sign * step_across]
        is_peak &= diagonal * weight + straight * (1.0 - weight) <= peak
    ridge = np.zeros(magnitude.shape, bool)
    ridge[rows[is_peak], columns[is_peak]] = True
    return ridge
