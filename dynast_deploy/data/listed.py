"""Samples from lists of files: order, augmentation's randomness, and what is damaged."""

from __future__ import annotations

import codecs
from abc import abstractmethod
from pathlib import Path

import numpy as np

from dynast_deploy.data.damage import Damaged, DataError
from dynast_deploy.data.sample import Sample, SampleStream
from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_files import read_picture

MAX_CONSECUTIVE_DAMAGED = 50
"""Damaged samples in a row after which there is something wrong with all of them."""


class ListedSamples(SampleStream):
    """The entries of a list, each time in another random order; held-out ones as they stand in the list.

    A sample with a damaged file is passed over for the next one, which is counted in `Sample.skipped`.
    """

    def __init__(self, source: str, entries: int, seed: int, held_out: bool) -> None:
        self.source, self.entries, self.seed, self.held_out = source, entries, seed, held_out
        self._order: tuple[int, np.ndarray] = (-1, np.arange(0))

    @abstractmethod
    def load(self, entry: int, rng: np.random.Generator) -> Sample:
        """The sample of one entry; `rng` chooses exemplars and augments.

        Raises:
            Damaged: Where a file of the sample is damaged: then the next entry takes its place.
            DynastError: Where the data set as a whole does not serve.
        """

    def __getitem__(self, index: int) -> Sample:
        assert self.entries is not None
        skipped: list[str] = []
        rng = np.random.default_rng([self.seed, index, 2])
        for attempt in range(min(self.entries, MAX_CONSECUTIVE_DAMAGED)):
            try:
                sample = self.load(self._entry(index + attempt), rng)
            except Damaged as damaged:
                skipped.append(str(damaged))
            except DynastError as error:
                raise DataError(str(error)) from error
            else:
                sample["skipped"] = "\n".join(skipped)
                return sample
        raise DataError(
            f"{self.source}: no usable sample among {len(skipped)} in a row; the first: {skipped[0]}"
        )

    def _entry(self, index: int) -> int:
        assert self.entries is not None
        epoch, place = divmod(index, self.entries)
        if self.held_out:
            return place
        if self._order[0] != epoch:
            order = np.random.default_rng([self.seed, epoch, 3]).permutation(self.entries)
            self._order = (epoch, order)
        return int(self._order[1][place])


def sound_picture(path: Path) -> np.ndarray:
    """A picture, uint8 [H, W, 3] RGB whatever its mode.

    Raises:
        Damaged: Where it cannot be read.
    """
    try:
        return read_picture(path)
    except DynastError as error:
        raise Damaged(path, str(error).removeprefix(f"{path} ").removeprefix(f"{path}: ")) from error


def read_list(path: Path) -> list[str]:
    """Lines of a text file, without empty ones.

    Raises:
        DataError: Naming the file, where it is missing, not readable or empty.
    """
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such list; see docs/data.md for the files that a data set needs"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: the list cannot be read ({error}); save it as UTF-8") from None
    lines = [line for line in lines if line]
    if not lines:
        raise DataError(f"{path}: the list is empty")
    return lines


def read_text(path: Path) -> str:
    """A text in UTF-8, or in what its byte order mark says (Windows' editors and shells write UTF-16 too)."""
    data = path.read_bytes()
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig")


class Folders:
    """Which files exist, each folder listed once."""

    def __init__(self) -> None:
        self._names: dict[Path, frozenset[str]] = {}

    def has(self, path: Path) -> bool:
        """Whether there is a file or folder of this name."""
        folder = path.parent
        if folder not in self._names:
            self._names[folder] = (
                frozenset(each.name for each in folder.iterdir()) if folder.is_dir() else frozenset()
            )
        return path.name in self._names[folder]
