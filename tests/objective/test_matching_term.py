"""The matching term: true keys are told from others, hidden matches from visible ones."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor  # noqa: E402

from dynast_deploy.attention_block import BlockExemplar  # noqa: E402
from dynast_deploy.config import GeneratorConfig  # noqa: E402
from dynast_deploy.generator import Exemplar  # noqa: E402
from dynast_deploy.objective.backdrop_matches import REACH  # noqa: E402
from dynast_deploy.objective.matching import known_matches, matching_terms, sample_truth  # noqa: E402
from dynast_deploy.objective.warping import coordinate_grid  # noqa: E402

SIZE, CHANNELS = 64, 48
CONFIG = GeneratorConfig(20, crop_size=SIZE, n_layers=1, smooth=1.0)


def shifted(by: int, count: int = 2) -> dict[str, Any]:
    """A batch in which every pixel's match lies `by` pixels to the right, visible where that is inside."""
    places = coordinate_grid(torch.zeros(count, 3, SIZE, SIZE)).clone()
    places[:, 0] += by / SIZE
    visible = (places[:, :1] < 1).float()
    return {
        "correspondence": torch.cat([places * visible, visible], 1),
        "exemplar": torch.zeros(count, 3, SIZE, SIZE),
        "name": [f"pair {number}" for number in range(count)],
    }


def finders(by: int) -> tuple[Exemplar, list[tuple[Tensor, Tensor]]]:
    """Blocks in which every query looks for the key `by` pixels to the right, and keeps that one alone.

    Keys are unit vectors. A prune logit is 40 (cosine - 0.75), positive for the very key alone.
    """
    blocks, queries = [], []
    for scale in (4, 3, 2, 1):
        side = SIZE // 2 ** (scale - 1)
        random = torch.Generator().manual_seed(scale)
        key = torch.nn.functional.normalize(torch.randn(1, side * side, CHANNELS, generator=random), dim=2)
        one = torch.ones_like(key[..., :1])
        blocks.append(BlockExemplar(key, torch.cat([key, one], 2), key))
        sought = key.unflatten(1, (side, side)).roll(-by * side // SIZE, 2).flatten(1, 2)
        temperature = CHANNELS**0.5 if scale == 4 else 1.0
        query, prune = sought * 40 * temperature, torch.cat([sought * 40, -30 * one], 2)
        queries.append((query.expand(2, -1, -1), prune.expand(2, -1, -1)))
    return Exemplar(blocks, SIZE), queries


def test_queries_that_find_their_match_cost_little_and_others_much() -> None:
    batch = shifted(8)
    found, _ = matching_terms(CONFIG, *finders(8), batch)
    elsewhere, _ = matching_terms(CONFIG, *finders(-8), batch)
    assert found.shape == (2,)
    # At scales 2 to 4 the true place lies on a key; at scale 1 as well, since the shift is a whole pixel.
    assert found.max() < 0.5
    assert elsewhere.min() > 10


def test_the_truth_of_a_query_is_where_its_pixel_is_matched() -> None:
    matches = known_matches(shifted(8))
    for scale in (4, 3, 2, 1):
        side = SIZE // 2 ** (scale - 1)
        truth = sample_truth(matches, scale, [1, 2])
        seen = truth.visible > 0
        x, y = truth.tokens % side, truth.tokens // side
        torch.testing.assert_close(truth.places[..., 0][seen], (x + 8 * side / SIZE)[seen])
        torch.testing.assert_close(truth.places[..., 1][seen], y.float()[seen])
        assert all(len(set(tokens.tolist())) == len(tokens) for tokens in truth.tokens)


def test_queries_that_moved_are_sampled_more_often() -> None:
    batch = shifted(0, count=1)
    batch["correspondence"][:, 0, :, : SIZE // 2] += 0.25
    truth = sample_truth(known_matches(batch), 1, [0])
    moved = ((truth.tokens % SIZE) < SIZE // 2).float().mean()
    assert 0.8 < moved < 0.95


def test_hidden_matches_and_the_backdrop_are_known_from_surfaces() -> None:
    batch = shifted(8)
    batch["correspondence"][:, :, : SIZE // 2] = 0
    assert known_matches(batch)[:, 3, : SIZE // 2].sum() == 0
    surface = torch.zeros(2, 9, SIZE, SIZE)
    surface[:, -1, :, : SIZE // 2] = 1
    matches = known_matches({**batch, "target_surface": surface, "exemplar_surface": surface.flip(3)})
    # Near the figure nothing is known: its outline's matches are hidden, or lie inside the exemplar's figure.
    reach = SIZE // 2 + int(REACH * SIZE)
    assert (matches[:, 3, :, SIZE // 2 : reach] == 0).all()
    matches = torch.cat([matches[..., : SIZE // 2], matches[..., reach:]], 3)
    assert (matches[:, 3] == 1).all()
    figure, backdrop = matches[..., : SIZE // 2], matches[..., SIZE // 2 :]
    assert (figure[:, 2, : SIZE // 2] == 0).all()  # hidden: no match is given
    assert (backdrop[:, 2] == 0).all()  # where the exemplar's figure stands before it
    grid = coordinate_grid(batch["exemplar"])
    torch.testing.assert_close(backdrop[:, :2], grid[..., reach:])


def test_backdrop_near_the_figure_is_known_to_go_with_it() -> None:
    batch = shifted(8)
    surface = torch.zeros(2, 9, SIZE, SIZE)
    surface[:, -1, 16:48, 24:32] = 1
    matches = known_matches({**batch, "target_surface": surface, "exemplar_surface": surface.roll(8, 3)})
    backdrop = matches[:, :, 20:44, 33:36]
    assert (backdrop[:, 2:] == 1).all()
    expected = (
        coordinate_grid(batch["exemplar"])[:, :, 20:44, 33:36] + torch.tensor([8 / SIZE, 0.0])[:, None, None]
    )
    torch.testing.assert_close(backdrop[:, :2], expected.expand(2, -1, -1, -1), atol=1.0 / SIZE, rtol=0)


def test_the_prune_term_wants_true_keys_kept_and_hidden_ones_dropped() -> None:
    batch = shifted(8)
    _, right = matching_terms(CONFIG, *finders(8), batch)
    _, wrong = matching_terms(CONFIG, *finders(-8), batch)
    assert right.max() < 0.3 * wrong.min()
    nothing = torch.ones(2, 9, SIZE, SIZE)
    batch["correspondence"] = torch.zeros_like(batch["correspondence"])
    batch |= {"target_surface": nothing, "exemplar_surface": nothing}
    exemplar, queries = finders(8)
    keeping_all = [(query, -prune) for query, prune in queries]
    matching, dropped = matching_terms(CONFIG, exemplar, queries, batch)
    _, kept = matching_terms(CONFIG, exemplar, keeping_all, batch)
    assert (matching == 0).all()
    assert dropped.max() < 0.01 * kept.min()


def test_without_truth_both_terms_are_zero_and_give_no_gradient() -> None:
    batch = shifted(8)
    batch["correspondence"] = torch.zeros_like(batch["correspondence"])
    exemplar, queries = finders(8)
    queries = [(query.clone().requires_grad_(), prune) for query, prune in queries]
    matching, prune = matching_terms(CONFIG, exemplar, queries, batch)
    assert (matching == 0).all()
    assert (prune == 0).all()
    matching.sum().backward()
    assert all((query.grad == 0).all() for query, _ in queries if query.grad is not None)


def test_names_alone_decide_which_queries_are_compared() -> None:
    batch, (exemplar, queries) = shifted(5), finders(8)
    first, second = (
        matching_terms(CONFIG, exemplar, queries, batch),
        matching_terms(CONFIG, exemplar, queries, batch),
    )
    assert torch.equal(first[0], second[0])
    other = matching_terms(CONFIG, exemplar, queries, {**batch, "name": ["others", "pair 1"]})
    assert other[0][0] != first[0][0]
    assert other[0][1] == first[0][1]
