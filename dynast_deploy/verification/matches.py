"""Whether two engines fetch from the same places."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.evaluation.matching import BlockMatches
from dynast_deploy.formats.file_kind import FileKind, kind_of


class MatchReader(Protocol):
    """Gives every block's best matches for one frame, coarsest first."""

    def best(
        self, condition: np.ndarray, exemplar: np.ndarray, exemplar_condition: np.ndarray
    ) -> list[BlockMatches]:
        """Best matches for one condition, exemplar and its condition, float32 `[1, C, H, W]` as `Engine` takes them."""
        ...


def match_reader(path: Path) -> MatchReader | None:
    """Reads the matches of a checkpoint or an ONNX file; None for a plan, whose matches are not outputs.

    Raises:
        DynastError: The file cannot be read.
    """
    kind = kind_of(path)
    if kind is FileKind.ONNX:
        from dynast_deploy.evaluation.onnx_matches import OnnxMatches

        return OnnxMatches(path)
    if kind.is_checkpoint:
        return _CheckpointMatches(path)
    return None


class _CheckpointMatches:
    def __init__(self, path: Path) -> None:
        from dynast_deploy.evaluation.models import CheckpointModel

        self._model = CheckpointModel(path, "cpu", ablate=False)

    def best(
        self, condition: np.ndarray, exemplar: np.ndarray, exemplar_condition: np.ndarray
    ) -> list[BlockMatches]:
        import torch

        arrays = {"condition": condition, "exemplar": exemplar, "exemplar_condition": exemplar_condition}
        sample = {name: torch.from_numpy(array[0]) for name, array in arrays.items()}
        return self._model.render(sample).matches or []  # type: ignore[arg-type]


class MatchDifferences:
    """Shares of queries whose best matches differ, by block."""

    def __init__(self) -> None:
        self._shares: dict[tuple[int, int], list[float]] = {}

    def add(self, first: list[BlockMatches], second: list[BlockMatches]) -> None:
        """Best matches of one frame; blocks that only one side shows are left out.

        Raises:
            DynastError: The maps have different sizes: the two files are not of one network.
        """
        other = {(block.scale, block.layer): block.best for block in second}
        for block in first:
            place = block.scale, block.layer
            if place in other:
                if other[place].shape != block.best.shape:
                    raise DynastError(
                        "the two files have maps of different sizes; they are not of one network"
                    )
                self._shares.setdefault(place, []).append(float((block.best != other[place]).mean()))

    def table(self) -> dict[str, float]:
        """The mean share of each block, by its name."""
        return {
            f"scale {scale}, block {layer + 1}": round(float(np.mean(shares)), 5)
            for (scale, layer), shares in self._shares.items()
        }
