"""Faces from photographs: CelebAMask-HQ."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from dynast_deploy.conditions import FACE_PARTS, face_condition, picture_tensor
from dynast_deploy.data.augment import Augmentation, Cut
from dynast_deploy.data.damage import Damaged, DataError
from dynast_deploy.data.listed import Folders, ListedSamples, read_list, sound_picture
from dynast_deploy.data.sample import Sample
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts.mask_pictures import celebamask_file, check_covers, common_size, read_mask
from dynast_deploy.size import Size

PHOTOS, MASKS = "CelebA-HQ-img", "CelebAMask-HQ-mask-anno"
MAPPING, IDENTITIES = "CelebA-HQ-to-CelebA-mapping.txt", "identity_CelebA.txt"
PAIRS, VALIDATION_PAIRS = "celebahq_ref.txt", "celebahq_ref_test.txt"
_VALIDATION_SHARE = 10  # one photograph in so many, where there are no lists
_MIRRORED = {part: "lr"[part[0] == "l"] + part[1:] for part in FACE_PARTS if part[:2] in ("l_", "r_")}
_MIRRORED.pop("l_lip")


class CelebAMask(ListedSamples):
    """Photographs of faces with masks of their parts.

    Who shows the same person is taken from `identity_CelebA.txt` and `CelebA-HQ-to-CelebA-mapping.txt`, if they are
    there: then half of the exemplars are another photograph of the same person. The other exemplars, in turn, are the
    photograph itself, differently augmented (a supervised pair as well), and one of somebody else: what
    `celebahq_ref.txt` names, or any. The validation list takes the first of `celebahq_ref_test.txt`, or the next.

    Raises DataError for an empty list, a photograph without a file or without any mask, and masks of different sizes.
    """

    def __init__(self, root: Path, size: int, seed: int, held_out: bool, augmentation: Augmentation) -> None:
        self.root, self.size = root, size
        self.augmentation = Augmentation() if held_out else augmentation
        self.numbers, self.list_name = _numbers(root, held_out)
        super().__init__(str(root), len(self.numbers), seed, held_out)
        self.masks = self._existing_masks()
        self.pairs = _pairs(root / (VALIDATION_PAIRS if held_out else PAIRS))
        self.others = _same_people(root, self.numbers)

    def load(self, entry: int, rng: np.random.Generator) -> Sample:
        """See `ListedSamples.load`.

        Raises:
            DynastError: As stated there.
        """
        number = self.numbers[entry]
        exemplar, same = self._exemplar(entry, rng)
        shown, lent = self._photo(number, rng), self._photo(exemplar, rng)
        return Sample(
            condition=shown.condition,
            target=shown.picture,
            exemplar=lent.picture,
            exemplar_condition=lent.condition,
            same_identity=torch.tensor(same),
            correspondence=torch.zeros(3, self.size, self.size),
            name=f"{self.list_name} entry {entry + 1}: {number}.jpg <- {exemplar}.jpg",
            skipped="",
        )

    def _exemplar(self, entry: int, rng: np.random.Generator) -> tuple[int, bool]:
        """The number of the exemplar's photograph, and whether it shows the same person."""
        number = self.numbers[entry]
        same = self.others.get(number, ())
        if self.held_out:
            exemplar = (self.pairs.get(number) or [self.numbers[(entry + 1) % len(self.numbers)]])[0]
            return exemplar, exemplar == number or exemplar in same
        if same and rng.random() < 0.5:
            return same[rng.integers(len(same))], True
        if rng.random() < 0.5:
            return number, True
        others = self.pairs.get(number) or self.numbers
        exemplar = others[rng.integers(len(others))]
        return exemplar, exemplar == number or exemplar in same

    def _photo(self, number: int, rng: np.random.Generator) -> _Photo:
        picture = sound_picture(self.root / PHOTOS / f"{number}.jpg")
        masks = {part: _mask(_mask_file(self.root, number, part)) for part in self._parts(number)}
        size = common_size(masks, f"{self.root / MASKS}: masks of face {number}")
        check_covers(size, Size.of(picture), str(self.root / PHOTOS / f"{number}.jpg"))
        cut = Cut.sample(self.augmentation, self.size, rng)
        if cut.flip:
            picture = np.ascontiguousarray(picture[:, ::-1])
            masks = {_MIRRORED.get(part, part): mask[:, ::-1] for part, mask in masks.items()}
        condition = face_condition(masks, picture, cut.loaded)
        return _Photo(cut.of(picture_tensor(picture, cut.loaded)), cut.of(condition).float() / 255)

    def _parts(self, number: int) -> tuple[str, ...]:
        if number not in self.masks:
            raise DataError(
                f"{self.root}: face {number} is named as an exemplar, but has no photograph or no masks"
            )
        return self.masks[number]

    def _existing_masks(self) -> dict[int, tuple[str, ...]]:
        """The parts of each face for which there are masks, faces beyond the list included.

        Raises:
            DataError: Where a photograph of the list is missing, or has no mask.
        """
        folders, masks = Folders(), {}
        for number in sorted({*self.numbers, *_photo_numbers(self.root)}):
            parts = tuple(part for part in FACE_PARTS if folders.has(_mask_file(self.root, number, part)))
            if parts and folders.has(self.root / PHOTOS / f"{number}.jpg"):
                masks[number] = parts
        for entry, number in enumerate(self.numbers, start=1):
            if number not in masks:
                missing = self.root / PHOTOS / f"{number}.jpg"
                if missing.exists():
                    missing = _mask_file(self.root, number, "skin")
                raise DataError(f"{self.list_name} entry {entry}: {missing} is missing")
        return masks


@dataclass(frozen=True)
class _Photo:
    picture: torch.Tensor
    condition: torch.Tensor


def _mask_file(root: Path, number: int, part: str) -> Path:
    return celebamask_file(root / MASKS, number, part)


def _mask(path: Path) -> np.ndarray:
    """bool [H, W].

    Raises:
        Damaged: Where the mask cannot be read.
    """
    try:
        return read_mask(path)
    except DynastError as error:
        raise Damaged(path, str(error).removeprefix(f"{path}: ")) from None


def _photo_numbers(root: Path) -> list[int]:
    folder = root / PHOTOS
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; CelebAMask-HQ keeps its photographs there")
    return sorted(int(path.stem) for path in folder.glob("*.jpg") if path.stem.isdecimal())


def _numbers(root: Path, held_out: bool) -> tuple[list[int], str]:
    """The numbers of the photographs that train or are held out, and what lists them.

    Raises:
        DataError: Where a list is malformed, or no photograph is left.
    """
    own, other = (
        root / name for name in (("val.txt", "train.txt") if held_out else ("train.txt", "val.txt"))
    )
    if own.exists():
        return _listed(own), str(own)
    everything = _photo_numbers(root)
    if other.exists():
        taken = set(_listed(other))
        numbers = [number for number in everything if number not in taken]
    else:
        numbers = [n for n in everything if (n % _VALIDATION_SHARE == _VALIDATION_SHARE - 1) == held_out]
    if not numbers:
        purpose = "validate with" if held_out else "train on"
        raise DataError(f"{root / PHOTOS}: holds no photographs NUMBER.jpg to {purpose}")
    return numbers, str(root / PHOTOS)


def _listed(path: Path) -> list[int]:
    """The numbers in a list, with or without .jpg.

    Raises:
        DataError: Where a line is not a number.
    """
    lines = [line.removesuffix(".jpg") for line in read_list(path)]
    bad = next((line for line in lines if not line.isdecimal()), None)
    if bad is not None:
        raise DataError(f"{path}: {bad!r} is not the number of a photograph")
    return [int(line) for line in lines]


def _pairs(path: Path) -> dict[int, list[int]]:
    """`celebahq_ref.txt`: lines PHOTO.jpg,EXEMPLAR.jpg,...; empty where there is no such list.

    Raises:
        DataError: Where a line names anything but numbered photographs.
    """
    if not path.exists():
        return {}
    pairs = {}
    for number, line in enumerate(read_list(path), start=1):
        names = [name.strip().removesuffix(".jpg") for name in line.split(",") if name.strip()]
        if len(names) < 2 or not all(name.isdecimal() for name in names):
            raise DataError(f"{path} line {number}: not PHOTO.jpg,EXEMPLAR.jpg,...")
        pairs[int(names[0])] = [int(name) for name in names[1:]]
    return pairs


def _same_people(root: Path, numbers: list[int]) -> dict[int, tuple[int, ...]]:
    """Each photograph's others of the same person among `numbers`; empty where identities are not known."""
    mapping, identities = root / MAPPING, root / IDENTITIES
    if not (mapping.exists() and identities.exists()):
        return {}
    person_of = dict(line.split()[:2] for line in read_list(identities) if len(line.split()) >= 2)
    people: dict[str, list[int]] = {}
    wanted = set(numbers)
    for line in read_list(mapping):
        fields = line.split()
        if len(fields) >= 3 and fields[0].isdecimal() and int(fields[0]) in wanted and fields[2] in person_of:
            people.setdefault(person_of[fields[2]], []).append(int(fields[0]))
    return {
        number: tuple(other for other in photos if other != number)
        for photos in people.values()
        for number in photos
        if len(photos) > 1
    }
