"""How pictures and matches are scored."""

from __future__ import annotations

import numpy as np
import pytest

from dynast_deploy.evaluation.baselines import part_colours, parts_of
from dynast_deploy.evaluation.matching import (
    BlockMatches,
    MatchDistances,
    fetched,
    match_distances,
    match_map,
)
from dynast_deploy.evaluation.scores import Scores


def noise(seed: int, size: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3)).astype(np.uint8)


def test_parts_are_read_from_their_codes() -> None:
    from dynast_deploy.data.surface_code import surface_code

    surface = np.zeros((8, 8, 3), np.float32)
    surface[..., 0] = np.arange(64).reshape(8, 8)
    assert np.array_equal(parts_of(surface_code(surface, 8)), surface[..., 0])


def test_parts_take_the_exemplars_mean_colours() -> None:
    shown, wanted = np.array([[0, 0, 1, 2]]), np.array([[0, 3, 2, 0]])
    exemplar = np.array([[[10] * 3, [20] * 3, [100] * 3, [200] * 3]], np.uint8)
    # Background that both show is copied, background behind the exemplar's figure is the background's mean, and a part
    # that the exemplar hides is the figure's mean.
    assert part_colours(exemplar, shown, wanted)[0, :, 0].tolist() == [10, 150, 200, 15]


def test_a_picture_without_the_parts_still_gets_colours() -> None:
    exemplar = noise(3, 4)
    painted = part_colours(exemplar, np.zeros((4, 4), int), np.ones((4, 4), int))
    assert np.array_equal(
        painted, np.broadcast_to(np.rint(exemplar.mean((0, 1))).astype(np.uint8), (4, 4, 3))
    )


def shifted_truth(size: int, dx: float, dy: float) -> np.ndarray:
    """The correspondence of a picture whose points all lie `dx, dy` pixels further in the exemplar, `[3, H, W]`."""
    y, x = np.mgrid[:size, :size] + 0.5
    inside = (x + dx < size) & (y + dy < size) & (x + dx > 0) & (y + dy > 0)
    return np.stack([(x + dx) / size * inside, (y + dy) / size * inside, inside]).astype(np.float32)


@pytest.mark.parametrize("cell", [1, 2, 4, 8])
def test_true_matches_have_no_error_at_any_scale(cell: int) -> None:
    side = 32 // cell
    row, column = np.mgrid[:side, :side]
    best = np.minimum(row + 1, side - 1) * side + np.maximum(column - 1, 0)
    found = match_distances(best, shifted_truth(32, -cell, cell))
    assert found.size == (side - 1) ** 2
    assert found.max() < 1e-4


@pytest.mark.parametrize("cell", [1, 2, 4, 8])
def test_errors_are_pixels_of_the_whole_picture(cell: int) -> None:
    side = 32 // cell
    own = np.arange(side * side).reshape(side, side)
    assert np.median(match_distances(own, shifted_truth(32, -3, 4))) == pytest.approx(5, abs=1e-4)


def test_hidden_matches_do_not_count() -> None:
    truth = shifted_truth(16, 0, 0)
    truth[2, :, 8:] = 0
    assert match_distances(np.zeros((16, 16), int), truth).size == 16 * 8


def test_the_table_has_a_row_a_block_next_to_what_looking_straight_ahead_would_give() -> None:
    collected = MatchDistances()
    fine, coarse = np.arange(256).reshape(16, 16), np.arange(4).reshape(2, 2)
    collected.add(
        [BlockMatches(4, 1, coarse), BlockMatches(1, 0, fine), BlockMatches(1, 1, fine + 1)],
        shifted_truth(16, 0, 0),
    )
    rows = {row["block"]: row for row in collected.table()}
    assert list(rows) == ["scale 4, block 2", "scale 1, block 1", "scale 1, block 2"]
    assert rows["scale 1, block 1"] | {"block": ""} == {
        "block": "", "median_px": 0, "within_3_px": 1, "own_place_median_px": 0, "queries": 256
    }  # fmt: skip
    assert rows["scale 1, block 2"]["median_px"] == 1
    assert rows["scale 4, block 2"]["queries"] == 4


def test_matches_that_stay_in_place_fetch_the_exemplar() -> None:
    exemplar = noise(5, 16)
    assert np.array_equal(fetched(exemplar, BlockMatches(1, 0, np.arange(256).reshape(16, 16))), exemplar)
    coarse = fetched(exemplar, BlockMatches(2, 0, np.full((8, 8), 63)))
    assert np.array_equal(coarse, np.broadcast_to(np.rint(exemplar[14:, 14:].mean((0, 1))), (16, 16, 3)))


def test_the_match_map_shows_where_matches_lie() -> None:
    shown = match_map(BlockMatches(2, 0, np.array([[0, 3], [1, 2]])), 4)
    assert shown.shape == (4, 4, 3)
    right, down = shown[..., 0], shown[..., 1]
    assert right[0, 0] == right[3, 3] < right[0, 3] == right[3, 0]
    assert down[0, 0] == down[3, 0] < down[0, 3] == down[3, 3]


def test_gains_are_over_the_best_of_a_group_that_was_painted() -> None:
    scores = Scores()
    for way, value in (("model", 3.0), ("model", 5.0), ("copy", 1.0), ("parts", 1.5)):
        scores.add(way, "psnr_db", value)
    over = {"baselines": ("copy", "parts"), "ablation": ("coarse",)}
    assert scores.gains("model", "psnr_db", over) == {"baselines": 2.5}


def test_scores_are_means_and_leave_out_what_is_missing() -> None:
    scores = Scores()
    for value in (1.0, float("nan"), 3.0):
        scores.add("model", "ssim_figure", value)
    scores.add("model", "ssim", 0.5)
    scores.add("exemplar", "ssim", 0.25)
    assert scores.table() == [
        {"painted": "model", "ssim_figure": 2.0, "ssim": 0.5},
        {"painted": "exemplar", "ssim": 0.25},
    ]
