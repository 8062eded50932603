"""How far each query's best match lies from its true correspondence."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

NEAR = 3.0
"""Pixels: a match closer than this counts as found."""


@dataclass(frozen=True)
class BlockMatches:
    """The best match of every query of one attention block: `best` int `[h, w]`, an index into the keys, row by row."""

    scale: int
    layer: int
    best: np.ndarray


@dataclass
class MatchDistances:
    """Errors in pixels, collected over pictures: by scale and layer, and by scale those of a query's own place."""

    blocks: dict[tuple[int, int], list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))
    own_place: dict[int, list[np.ndarray]] = field(default_factory=lambda: defaultdict(list))

    def add(self, matches: list[BlockMatches], correspondence: np.ndarray) -> None:
        """The matches of one picture; see `match_distances`."""
        own_places = {block.scale: np.arange(block.best.size).reshape(block.best.shape) for block in matches}
        for block in matches:
            self.blocks[block.scale, block.layer].append(match_distances(block.best, correspondence))
        for scale, own in own_places.items():
            self.own_place[scale].append(match_distances(own, correspondence))

    def table(self) -> list[dict[str, str | float | int]]:
        """A row a block: the median in pixels, the share below `NEAR`, and how many queries were counted."""
        rows: list[dict[str, str | float | int]] = []
        for (scale, layer), found in self.blocks.items():
            distances, own = np.concatenate(found), np.concatenate(self.own_place[scale])
            if distances.size:
                rows.append(
                    {
                        "block": f"scale {scale}, block {layer + 1}",
                        "median_px": round(float(np.median(distances)), 2),
                        "within_3_px": round(float((distances < NEAR).mean()), 4),
                        "own_place_median_px": round(float(np.median(own)), 2),
                        "queries": int(distances.size),
                    }
                )
        return rows


def match_distances(best: np.ndarray, correspondence: np.ndarray) -> np.ndarray:
    """Distances in pixels between best matches and true ones, float `[M]`, of the queries whose match is visible.

    best: int `[h, w]`. correspondence: `[3, H, W]`, x and y of the true match as shares of the picture, 1 where the
    exemplar shows it; the exemplar is as large as the picture.

    A query or key stands for the centre of its cell of `H / h` pixels. For queries the truth is that of the pixel right
    below and right of the centre, moved back by the half pixel between the two.
    """
    height, width = correspondence.shape[1:]
    cell = height // best.shape[0]
    middle = correspondence[:, cell // 2 :: cell, cell // 2 :: cell]
    visible = middle[2] > 0.5
    back = 0.5 if cell > 1 else 0.0
    true_x, true_y = middle[0][visible] * width - back, middle[1][visible] * height - back
    row, column = np.divmod(best[visible], best.shape[1])
    result: np.ndarray = np.hypot((column + 0.5) * cell - true_x, (row + 0.5) * cell - true_y)
    return result


def fetched(exemplar: np.ndarray, block: BlockMatches) -> np.ndarray:
    """What the best matches show: the exemplar `[H, W, 3]`, averaged over a key's cell, at each query's best match."""
    height = exemplar.shape[0]
    rows, columns = block.best.shape
    cell = height // rows
    cells = exemplar.reshape(rows, cell, columns, cell, 3).mean((1, 3)).reshape(-1, 3)
    small = np.rint(cells[block.best]).astype(np.uint8)
    result: np.ndarray = small.repeat(cell, 0).repeat(cell, 1)
    return result


def match_map(block: BlockMatches, size: int) -> np.ndarray:
    """Where each query's best match lies, as `place_colours` shows it; uint8 `[size, size, 3]`."""
    rows, columns = block.best.shape
    row, column = np.divmod(block.best, columns)
    return (
        place_colours((column + 0.5) / columns, (row + 0.5) / rows)
        .repeat(size // rows, 0)
        .repeat(size // columns, 1)
    )


def place_colours(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Places, shares of the picture `[h, w]`, as uint8 `[h, w, 3]`: red grows to the right, green downwards."""
    colours = np.stack([x, y, 0.5 * (1 - x) + 0.25 * (1 - y)], -1)
    result: np.ndarray = np.rint(255 * colours.clip(0, 1)).astype(np.uint8)
    return result
