"""Style transfer: contents and styles, drawn or from folders."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from dynast_deploy.conditions import picture_tensor
from dynast_deploy.data.augment import Augmentation, Cut
from dynast_deploy.data.damage import DataError
from dynast_deploy.data.listed import ListedSamples, sound_picture
from dynast_deploy.data.sample import Sample, SampleStream
from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_files import list_pictures
from dynast_deploy.printable import print_note
from dynast_deploy.synthetic.scenes import FIRST_EVALUATION_SEED, paint_content, paint_style

BLOCK, USES = 16, 4
"""So many contents and styles meet each other, each so many times, before the next ones do."""

_HELD_OUT_SHARE = 10  # one picture in so many


def style_sample(content: torch.Tensor, style: torch.Tensor, name: str) -> Sample:
    """A sample from two pictures `[3, size, size]`, -1..1: conditions are the pictures themselves, 0..1."""
    return Sample(
        condition=(content + 1) / 2,
        target=content,
        exemplar=style,
        exemplar_condition=(style + 1) / 2,
        same_identity=torch.tensor(False),
        correspondence=torch.zeros_like(content),
        name=name,
        skipped="",
    )


class ProceduralStyle(SampleStream):
    """Drawn scenes and paintings: those with seeds below `FIRST_EVALUATION_SEED` train, the others are held out."""

    def __init__(self, size: int, seed: int, held_out: bool = False) -> None:
        self.size, self.seed, self.held_out = size, seed, held_out
        self._forget()

    def __getitem__(self, index: int) -> Sample:
        block, place = divmod(index, BLOCK * USES)
        rng = np.random.default_rng([self.seed, block, int(self.held_out), 5])
        orders = np.stack([np.concatenate([rng.permutation(BLOCK) for _ in range(USES)]) for _ in range(2)])
        content, style = (int(rng_seed) for rng_seed in block * BLOCK + orders[:, place])
        (content_seed, shown), (style_seed, lent) = self._content(content), self._style(style)
        return style_sample(
            torch.from_numpy(picture_tensor(shown, self.size)),
            torch.from_numpy(picture_tensor(lent, self.size)),
            f"scene {content_seed} <- painting {style_seed}",
        )

    def _seed_of(self, number: int, kind: int) -> int:
        seed = np.random.default_rng([self.seed, number, int(self.held_out), kind]).integers(
            FIRST_EVALUATION_SEED
        )
        return int(seed) + FIRST_EVALUATION_SEED * self.held_out

    def _paint_content(self, number: int) -> tuple[int, np.ndarray]:
        seed = self._seed_of(number, 6)
        return seed, paint_content(seed, self.size)

    def _paint_style(self, number: int) -> tuple[int, np.ndarray]:
        seed = self._seed_of(number, 7)
        return seed, paint_style(seed, self.size)

    def _forget(self) -> None:
        self._content = lru_cache(maxsize=2 * BLOCK)(self._paint_content)
        self._style = lru_cache(maxsize=2 * BLOCK)(self._paint_style)

    def __getstate__(self) -> dict[str, object]:
        """Worker processes start with no pictures kept."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_content", "_style")}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._forget()


class StyleFolders(ListedSamples):
    """The pictures in `content/` and `style/` of a folder; every tenth of each, by name, is held out.

    A picture is scaled until its shorter side fits and a square is cut out, at random in training and from the middle
    of a held-out one. Each content meets a style drawn at random; held-out ones meet in order. Raises DataError where
    one of the folders is missing or holds too few pictures.
    """

    def __init__(self, root: Path, size: int, seed: int, held_out: bool, augmentation: Augmentation) -> None:
        self.size = size
        self.augmentation = Augmentation() if held_out else augmentation
        self.contents, self.styles = (_pictures(root / kind, held_out) for kind in ("content", "style"))
        super().__init__(str(root), len(self.contents), seed, held_out)

    def load(self, entry: int, rng: np.random.Generator) -> Sample:
        """See `ListedSamples.load`.

        Raises:
            DynastError: As stated there.
        """
        content = self.contents[entry]
        style = self.styles[entry % len(self.styles) if self.held_out else rng.integers(len(self.styles))]
        return style_sample(self._square(content, rng), self._square(style, rng), f"{content} <- {style}")

    def _square(self, path: Path, rng: np.random.Generator) -> torch.Tensor:
        picture = sound_picture(path)
        cut = Cut.sample(self.augmentation, self.size, rng)
        height, width = picture.shape[:2]
        side = min(height, width)
        spare = height - side, width - side
        top, left = (each // 2 if self.held_out else int(rng.integers(each + 1)) for each in spare)
        square = picture[top : top + side, left : left + side]
        if cut.flip:
            square = square[:, ::-1]
        return cut.of(picture_tensor(np.ascontiguousarray(square), cut.loaded))


def _pictures(folder: Path, held_out: bool) -> list[Path]:
    try:
        left_out: list[str] = []
        pictures = list_pictures([folder], left_out)
    except DynastError as error:
        raise DataError(f"{error}; style data is a folder with pictures in content/ and style/") from None
    for note in left_out:
        print_note(note)
    chosen = [
        path for k, path in enumerate(pictures) if (k % _HELD_OUT_SHARE == _HELD_OUT_SHARE - 1) == held_out
    ]
    if not chosen:
        raise DataError(f"{folder}: {len(pictures)} pictures are too few to hold out every tenth; add some")
    return chosen
