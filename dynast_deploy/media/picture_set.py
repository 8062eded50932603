"""Several picture files: a source that reads them, and a sink that writes one for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from dynast_deploy.media.picture_files import read_picture, write_picture


class PictureFiles:
    """Picture files in the order given; see `PictureSource`."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def __iter__(self) -> Iterator[Path]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def read(self, name: Path) -> np.ndarray:
        """The picture of that name, uint8 [H, W, 3], RGB, upright.

        Raises:
            DynastError: Where it cannot be read (`picture_files.read_picture`).
        """
        return read_picture(name)


class PictureOutputs:
    """A picture file for each driving picture, in one folder or several; see `PictureSink`."""

    def __init__(self, outputs: Mapping[Path, Path]) -> None:
        """`outputs`: where the result of each driving picture goes."""
        self._outputs = outputs

    def write(self, name: Path, picture: np.ndarray) -> None:
        """Write the result, uint8 [H, W, 3] RGB, of the driving picture of that name.

        Raises:
            DynastError: Where it cannot be written (`picture_files.write_picture`).
        """
        write_picture(self._outputs[name], picture)

    def output_of(self, name: Path) -> Path:
        """Where the result of the driving picture of that name goes."""
        return self._outputs[name]
