"""PSNR and SSIM: scikit-image's values, one cap, and no good value for pictures that hold NaN."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dynast_deploy.metrics import HIGHEST_PSNR, WINDOW, mean_squared_error, psnr, psnr_of_error, ssim

BROKEN = [float("nan"), float("inf"), -float("inf")]


def noise(seed: int, size: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


def scaled(picture: np.ndarray, data_range: int) -> np.ndarray:
    """The picture as bytes, or as float32 in -1..1."""
    return picture if data_range == 255 else (picture / 127.5 - 1).astype(np.float32)


@pytest.mark.parametrize("data_range", [255, 2])
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(1, 1000), size=st.integers(WINDOW, 40), gain=st.floats(0.2, 1))
def test_psnr_and_ssim_are_scikit_images(data_range: int, seed: int, size: int, gain: float) -> None:
    skimage = pytest.importorskip("skimage.metrics")
    plain = noise(0, size)
    truth = scaled(plain, data_range)
    picture = scaled((plain * gain + (1 - gain) * noise(seed, size)).astype(np.uint8), data_range)
    as_float = picture.astype(np.float64), truth.astype(np.float64)
    windows = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    assert ssim(picture, truth, data_range=data_range) == pytest.approx(
        skimage.structural_similarity(*as_float, data_range=data_range, channel_axis=2, **windows), abs=1e-9
    )
    if not np.array_equal(picture, truth):
        assert psnr(picture, truth, data_range=data_range) == pytest.approx(
            skimage.peak_signal_noise_ratio(*as_float, data_range=data_range)
        )


def test_psnr_with_a_mask_compares_the_pixels_of_the_mask() -> None:
    truth = np.full((8, 8, 3), 100, np.uint8)
    picture, mask = truth.copy(), np.zeros((8, 8), bool)
    picture[:4] += 10
    mask[:2] = True
    assert mean_squared_error(picture, truth) == 50
    assert mean_squared_error(picture, truth, mask) == 100
    assert psnr(picture, truth, data_range=255) == pytest.approx(10 * np.log10(255**2 / 50))
    assert psnr(picture, truth, data_range=255, mask=mask) == pytest.approx(10 * np.log10(255**2 / 100))
    assert psnr(picture, truth, data_range=255, mask=~mask[::-1]) < HIGHEST_PSNR
    assert np.isnan(psnr(picture, truth, data_range=255, mask=np.zeros_like(mask)))


def test_ssim_with_a_mask_counts_windows_whose_centre_is_on_it() -> None:
    truth, mask = noise(0), np.zeros((40, 40), bool)
    mask[8:14, 8:14] = True
    far, near = truth.copy(), truth.copy()
    far[30:], near[10] = 0, 0
    assert ssim(far, truth, data_range=255, mask=mask) == pytest.approx(1)
    assert ssim(near, truth, data_range=255, mask=mask) < 0.9
    assert np.isnan(ssim(truth, truth, data_range=255, mask=np.zeros_like(mask)))
    assert np.isnan(ssim(truth[: WINDOW - 1], truth[: WINDOW - 1], data_range=255))


@pytest.mark.parametrize("data_range", [255, 2])
def test_equal_pictures_have_the_highest_value_and_none_has_more(data_range: int) -> None:
    truth = scaled(noise(0), data_range)
    assert psnr(truth, truth.copy(), data_range=data_range) == HIGHEST_PSNR == 150
    assert psnr_of_error(0.0, data_range) == psnr_of_error(1e-30, data_range) == HIGHEST_PSNR
    assert ssim(truth, truth.copy(), data_range=data_range) == pytest.approx(1)
    assert psnr_of_error(4e-4, data_range=2) == pytest.approx(40)


def test_bytes_are_subtracted_as_numbers() -> None:
    black, white = np.zeros((12, 12, 3), np.uint8), np.full((12, 12, 3), 255, np.uint8)
    assert psnr(black, white, data_range=255) == psnr(white, black, data_range=255) == 0


@pytest.mark.parametrize("value", BROKEN)
def test_one_value_that_is_not_a_number_counts_as_nothing_alike(value: float) -> None:
    truth = scaled(noise(0), 2)
    picture, mask = truth.copy(), np.zeros((40, 40), bool)
    picture[3, 5, 1] = value
    mask[20:] = True
    for pair in ((picture, truth), (truth, picture), (picture, picture)):
        assert psnr(*pair, data_range=2) == 0
        assert ssim(*pair, data_range=2) == -1
    assert psnr(picture, truth, data_range=2, mask=mask) == HIGHEST_PSNR
    assert psnr_of_error(abs(value), data_range=2) == 0


def test_pictures_of_different_shapes_are_not_broadcast() -> None:
    for measure in (psnr, ssim):
        with pytest.raises(ValueError, match="different shapes"):
            measure(noise(0), noise(0)[:1], data_range=255)
