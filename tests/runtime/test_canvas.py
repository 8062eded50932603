"""Pictures of any shape on the network's picture, and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dynast_deploy.condition_options import Fit
from dynast_deploy.conditions.canvas import MOST_PIXELS, Canvas
from dynast_deploy.size import MAX_SIDE, Size

sides = st.integers(1, 400)
network_sides = st.integers(1, 32).map(lambda eighths: 8 * eighths)


@given(sides, sides, network_sides, network_sides, st.sampled_from(Fit))
def test_the_result_has_the_pictures_proportions_and_fits_the_network(
    width: int, height: int, network_height: int, network_width: int, fit: Fit
) -> None:
    canvas = Canvas.around(Size(height, width), Size(network_height, network_width), fit)
    result_height, result_width = canvas.result_size(Size(network_height, network_width))
    assert 1 <= result_width <= network_width
    assert 1 <= result_height <= network_height
    # Each side is rounded to whole pixels of either picture.
    slack = 1 / result_width + 1 / result_height + 1 / width + 1 / height
    ratio = (result_width / result_height) / (width / height)
    assert 1 - slack <= ratio <= 1 / max(1e-3, 1 - slack)
    drawn = canvas.cut_out(np.zeros((network_height, network_width, 3), np.uint8))
    assert drawn.shape == (result_height, result_width, 3)


@given(sides, sides, network_sides, network_sides)
def test_padding_is_even_and_moves_keypoints_with_the_picture(
    width: int, height: int, network_height: int, network_width: int
) -> None:
    canvas = Canvas.around(Size(height, width), Size(network_height, network_width), Fit.PAD)
    assert abs(canvas.left - canvas.right) <= 1
    assert abs(canvas.top - canvas.bottom) <= 1
    picture = np.zeros((height, width, 3), np.uint8)
    picture[height // 2, width // 2] = 255
    placed = canvas.place(picture)
    assert placed.shape == (*canvas.size, 3)
    keypoints = np.array([[width // 2, height // 2, 1]], np.float32)
    x, y, score = canvas.place_keypoints(keypoints)[0]
    assert placed[int(y), int(x)].tolist() == [255] * 3
    assert score == 1


def test_a_wide_picture_comes_back_without_its_margin() -> None:
    canvas = Canvas.around(Size(108, 192), Size(64, 64), Fit.PAD)
    assert (canvas.top, canvas.bottom, canvas.left, canvas.right) == (42, 42, 0, 0)
    image = np.zeros((64, 64, 3), np.uint8)
    image[14:50] = 200
    assert canvas.cut_out(image).shape == (36, 64, 3)
    assert (canvas.cut_out(image) == 200).all()


def test_stretching_leaves_no_margin() -> None:
    canvas = Canvas.around(Size(1101, 750), Size(256, 256), Fit.STRETCH)
    assert canvas.size == Size(1101, 750)
    assert canvas.result_size(Size(256, 256)) == Size(256, 174)


@pytest.mark.parametrize("fit", Fit)
def test_a_picture_of_the_networks_shape_is_left_alone(fit: Fit) -> None:
    canvas = Canvas.around(Size(512, 512), Size(256, 256), fit)
    image = np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)
    assert canvas.cut_out(image) is image or (canvas.cut_out(image) == image).all()


@pytest.mark.parametrize("size", [Size(20_000, 1), Size(1, 60_000), Size(3628, 16_382), Size(8000, 9000)])
@pytest.mark.parametrize("fit", Fit)
def test_a_large_canvas_is_reduced_and_keypoints_with_it(size: Size, fit: Fit) -> None:
    canvas = Canvas.around(size, Size(64, 96), fit)
    drawn = canvas.drawn
    height, width = drawn.size
    assert width * height <= MOST_PIXELS
    assert max(width, height) <= MAX_SIDE
    # Where the picture lies on the canvas stays, up to a pixel of the reduced one.
    for part, side in (
        (drawn.left, 1),
        (drawn.left + drawn.width, 1),
        (drawn.top, 0),
        (drawn.top + drawn.height, 0),
    ):
        before = {1: (canvas.left, canvas.left + size.width), 0: (canvas.top, canvas.top + size.height)}[side]
        assert (
            min(abs(part / drawn.size[side] - each / canvas.size[side]) for each in before)
            <= 1.5 / drawn.size[side]
        )
    picture = np.zeros((*size, 3), np.uint8)
    picture[size.height // 2 :, size.width // 2 :] = 255
    placed = canvas.place(picture)
    assert placed.shape == (height, width, 3)
    corner = np.array([[0.75 * size.width, 0.75 * size.height, 1]], np.float32)
    x, y, score = canvas.place_keypoints(corner)[0]
    assert score == 1
    if min(size) > 1:
        assert placed[int(y), int(x)].tolist() == [255] * 3
    assert canvas.result_size(Size(64, 96)) == canvas.cut_out(np.zeros((64, 96, 3), np.uint8)).shape[:2]


def test_photographs_of_a_phone_are_drawn_at_their_own_size() -> None:
    for size in (Size(3000, 4000), Size(6048, 8064), Size(8192, 8192)):
        canvas = Canvas.around(size, Size(256, 256), Fit.PAD)
        assert canvas.drawn is canvas
