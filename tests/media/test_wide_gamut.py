"""Videos of wide gamut look as they do on a screen of the usual one."""

from pathlib import Path

import av
import numpy as np
import pytest

from dynast_deploy.media.frame_colours import RgbConverter, StatedColours
from dynast_deploy.media.wide_gamut import is_wide, to_bt709

DISPLAY_P3, BT2020 = 12, 9


@pytest.mark.parametrize("primaries", [DISPLAY_P3, BT2020])
def test_greys_stay_exactly_as_they_are(primaries: int) -> None:
    greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_array_equal(to_bt709(greys, primaries), greys)


# Linear light to that of BT.709: from CSS Color Module 4, and from ITU-R BT.2087.
PUBLISHED = {
    DISPLAY_P3: [[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]],
    BT2020: [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
}


def by_definition(picture: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The conversion in float64, by the curve of IEC 61966-2-1."""
    level = picture / 255
    light = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    light = (light @ matrix.T).clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255


@pytest.mark.parametrize("primaries", [DISPLAY_P3, BT2020])
def test_colours_are_those_of_the_published_matrix(primaries: int) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (61, 83, 3), np.uint8)
    wanted = by_definition(picture, np.array(PUBLISHED[primaries]))
    found = to_bt709(picture, primaries)
    assert np.abs(found - wanted).max() <= 1
    assert np.abs(found.astype(int) - picture).mean() > 5


@pytest.mark.parametrize("transfer", [1, 2, 6, 13])
def test_a_frame_of_display_p3_is_converted(transfer: int) -> None:
    picture = np.full((48, 64, 3), (200, 100, 50), np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.color_primaries, frame.color_trc = DISPLAY_P3, transfer
    converted = RgbConverter(Path("a.mov"), StatedColours()).convert(frame)
    np.testing.assert_array_equal(converted, to_bt709(picture, DISPLAY_P3))
    assert converted[0, 0, 0] > 205
    stated = RgbConverter(Path("a.mov"), StatedColours(primaries=1)).convert(frame)
    np.testing.assert_array_equal(stated, picture)


@pytest.mark.parametrize(
    ("primaries", "transfer"), [(BT2020, 16), (BT2020, 18), (1, 1), (2, 2), (6, 6), (5, 1)]
)
def test_high_dynamic_range_and_usual_gamuts_are_left_alone(primaries: int, transfer: int) -> None:
    assert not is_wide(primaries, transfer)
    picture = np.full((48, 64, 3), (200, 100, 50), np.uint8)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.color_primaries, frame.color_trc = primaries, transfer
    np.testing.assert_array_equal(RgbConverter(Path("a.mov"), StatedColours()).convert(frame), picture)
