"""Which way is up."""

import math
import struct
from fractions import Fraction

import numpy as np
import pytest

from dynast_deploy.media.orientation import Orientation, square_pixel_size
from dynast_deploy.size import Size

ONE = 1 << 16


def matrix(a: int, b: int, c: int, d: int) -> bytes:
    return struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)


def shown_by_definition(picture: np.ndarray, a: int, b: int, c: int, d: int) -> np.ndarray:
    """Move every pixel (x, y) to (a x + c y, b x + d y), shifted so that the corner is at zero."""
    height, width = picture.shape[:2]
    moved = {(a * x + c * y, b * x + d * y): picture[y, x] for y in range(height) for x in range(width)}
    left, top = min(x for x, _ in moved), min(y for _, y in moved)
    size = (height, width) if a else (width, height)
    shown = np.zeros((*size, 3), np.uint8)
    for (x, y), pixel in moved.items():
        shown[y - top, x - left] = pixel
    return shown


@pytest.mark.parametrize("signs", [(1, 1), (1, -1), (-1, 1), (-1, -1)])
@pytest.mark.parametrize("turned", [False, True])
def test_every_right_angle_and_mirror_image_is_shown_as_the_matrix_defines(
    turned: bool, signs: tuple[int, int]
) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (3, 5, 3), np.uint8)
    first, second = signs
    a, b, c, d = (0, first, second, 0) if turned else (first, 0, 0, second)
    orientation = Orientation.from_display_matrix(matrix(a * ONE, b * ONE, c * ONE, d * ONE))
    upright = orientation.apply(picture)
    np.testing.assert_array_equal(upright, shown_by_definition(picture, a, b, c, d))
    assert upright.flags.c_contiguous
    assert orientation.size(Size(3, 5)) == Size.of(upright)


def test_an_angle_in_between_goes_to_the_nearer_right_angle() -> None:
    angle = math.radians(80)
    cosine, sine = round(math.cos(angle) * ONE), round(math.sin(angle) * ONE)
    exact = Orientation.from_display_matrix(matrix(0, ONE, -ONE, 0))
    assert Orientation.from_display_matrix(matrix(cosine, sine, -sine, cosine)) == exact


@pytest.mark.parametrize("broken", [b"", matrix(0, 0, 0, 0), b"\0" * 35])
def test_a_broken_matrix_turns_nothing(broken: bytes) -> None:
    assert Orientation.from_display_matrix(broken) == Orientation()


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (Fraction(64, 45), Size(576, 1024)),
        (Fraction(1, 2), Size(1152, 720)),
        (Fraction(1), Size(576, 720)),
        (None, Size(576, 720)),
        (Fraction(0), Size(576, 720)),
        (Fraction(1000), Size(576, 720)),
    ],
)
def test_pixels_are_made_square_by_enlarging(aspect: Fraction | None, size: Size) -> None:
    assert square_pixel_size(Size(576, 720), aspect) == size
