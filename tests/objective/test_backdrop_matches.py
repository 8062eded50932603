"""The backdrop next to a figure goes with the figure."""

from __future__ import annotations

import numpy as np
import pytest

from dynast_deploy.objective.backdrop_matches import REACH, match_backdrop

SIZE = 128
MIDDLE = (SIZE - 1) / 2


def bar(*, upright: bool) -> np.ndarray:
    """A figure of 16 by 80 pixels in the middle of the picture."""
    figure = np.zeros((SIZE, SIZE), bool)
    figure[24:104, 56:72] = True
    return figure if upright else figure.T


def turned() -> np.ndarray:
    """Matches of an upright bar in one that lies: its right side is the lying one's upper side."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    return np.stack([y, 2 * MIDDLE - x])


def test_backdrop_next_to_a_turned_limb_is_found_next_to_it() -> None:
    target, exemplar = bar(upright=True), bar(upright=False)
    backdrop = match_backdrop(target, exemplar, turned(), target)
    y, x = np.nonzero(backdrop.found)
    # Next to the long sides, a pixel's match is where turning the whole picture would put it.
    straight = (np.abs(y - MIDDLE) < 32) & (np.abs(x - MIDDLE) < 8 + REACH * SIZE - 1)
    assert straight.sum() > 1000
    found = backdrop.matches[:, y, x][:, straight]
    expected = turned()[:, y, x][:, straight]
    assert np.abs(found - expected).max() < 1.0
    assert not backdrop.near[target].any()
    assert backdrop.found.sum() > 0.9 * backdrop.near.sum()


def test_nothing_is_known_next_to_what_the_exemplar_hides() -> None:
    target, exemplar = bar(upright=True), bar(upright=False)
    visible = target.copy()
    visible[:64] = False
    backdrop = match_backdrop(target, exemplar, turned(), visible)
    assert backdrop.near[24:50, 72:76].all()
    assert not backdrop.found[24:50].any()
    assert backdrop.found[68:100, 73:76].all()


def test_nothing_is_known_next_to_a_limb_that_lies_before_others() -> None:
    target, wide = bar(upright=True), np.zeros((SIZE, SIZE), bool)
    wide[10:118, 10:118] = True
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    backdrop = match_backdrop(target, wide, np.stack([x, y]), target)
    assert backdrop.near.any()
    assert not backdrop.found.any()


def test_matches_outside_the_exemplar_are_not_found() -> None:
    target = bar(upright=True)
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    moved = np.stack([x + 56, y])
    exemplar = np.roll(target, 56, axis=1)
    backdrop = match_backdrop(target, exemplar, moved, target)
    assert not backdrop.found[30:98, 73:].any()
    assert backdrop.found[30:98, 48:55].all()


@pytest.mark.parametrize("exemplar", [np.zeros((8, 8), bool), np.ones((8, 8), bool)])
def test_without_outlines_nothing_is_found(exemplar: np.ndarray) -> None:
    figure, places = np.zeros((8, 8), bool), np.zeros((2, 8, 8))
    backdrop = match_backdrop(figure, exemplar, places, figure)
    assert not backdrop.near.any()
    assert not backdrop.found.any()
