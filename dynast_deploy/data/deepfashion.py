"""Poses from photographs: DeepFashion In-shop in the layout of the published lists (CoCosNet's, which DynaST uses)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch

from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.data.augment import Augmentation, Cut
from dynast_deploy.data.damage import Damaged, DataError
from dynast_deploy.data.listed import Folders, ListedSamples, read_list, read_text, sound_picture
from dynast_deploy.data.sample import Sample
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.pixels import check_inside, sampled_points
from dynast_deploy.keypoints.poses import FARTHEST, canonical
from dynast_deploy.size import Size

SELF_PAIRS, PAIRS, VALIDATION_PAIRS = (
    "deepfashion_self_pair.txt",
    "deepfashion_ref.txt",
    "deepfashion_ref_test.txt",
)
LOOKED_AT = 20
"""Photographs, evenly spread over a list, whose keypoints must fit their size before training begins."""

_MIRRORED = [0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16]
"""OpenPose-18 keypoints as a mirror shows them."""


class DeepFashion(ListedSamples):
    """Photographs of people, `train.txt` or `val.txt`, each with an exemplar that the pair lists name.

    In training an exemplar is one of the photographs of the same person in the same clothes that
    `deepfashion_self_pair.txt` names, where there is none the one that `deepfashion_ref.txt` names last, where that has
    none the photograph itself. The validation list takes the first of `deepfashion_ref_test.txt`.

    Raises DataError for a missing or empty list, a listed photograph without file or keypoints, and, when it is loaded,
    for a photograph of another size than the first's, since keypoints are in its pixels.
    """

    def __init__(self, root: Path, size: int, seed: int, held_out: bool, augmentation: Augmentation) -> None:
        self.root, self.size = root, size
        self.augmentation = Augmentation() if held_out else augmentation
        self.list_name = "val.txt" if held_out else "train.txt"
        self.names = [_posix(line) for line in read_list(root / self.list_name)]
        self.exemplars = _exemplars(root, held_out)
        super().__init__(str(root), len(self.names), seed, held_out)
        folders = Folders()
        for number, name in enumerate(self.names, start=1):
            for path in (root / name, *_keypoint_files(root, name)):
                if not folders.has(path):
                    raise DataError(f"{root / self.list_name} line {number}: {path} is missing")
            for exemplar in self.exemplars.get(name, ()):
                for path in (root / exemplar, *_keypoint_files(root, exemplar)):
                    if not folders.has(path):
                        raise DataError(
                            f"{path} is missing, which the pair lists name as an exemplar of {name}"
                        )
        self.picture_size = _first_size(root, self.names)
        self._check_pixels()

    def load(self, entry: int, rng: np.random.Generator) -> Sample:
        """See `ListedSamples.load`.

        Raises:
            DynastError: As stated there.
        """
        name = self.names[entry]
        choices = self.exemplars.get(name, (name,))
        exemplar = choices[0] if self.held_out else choices[rng.integers(len(choices))]
        shown, lent = self._photo(name, rng), self._photo(exemplar, rng)
        return Sample(
            condition=shown.condition,
            target=shown.picture,
            exemplar=lent.picture,
            exemplar_condition=lent.condition,
            same_identity=torch.tensor(same_person(name, exemplar)),
            correspondence=torch.zeros(3, self.size, self.size),
            name=f"{self.list_name} line {entry + 1}: {name} <- {exemplar}",
            skipped="",
        )

    def _check_pixels(self) -> None:
        """Check that keypoints of photographs all over the list are not of another size than these.

        Raises:
            DataError: Where they are.
        """
        found = []
        for number in sorted(set(np.linspace(0, len(self.names) - 1, LOOKED_AT).astype(int))):
            try:
                found.append(read_keypoints(*_keypoint_files(self.root, self.names[number])))
            except Damaged:
                continue  # counted and passed over when its turn comes
        points = sampled_points([canonical(pose) for pose in found])
        if not len(points):
            return
        height, width = self.picture_size
        try:
            check_inside(points, self.picture_size, str(self.root / self.list_name))
        except DynastError as error:
            raise DataError(str(error)) from None
        if len(found) >= LOOKED_AT // 2 and (points[:, :2].max(axis=0) < np.array([width, height]) / 2).all():
            x, y = points[:, :2].max(axis=0)
            raise DataError(
                f"{self.root / self.list_name}: the keypoints of {len(found)} photographs reach to {x:.0f}, {y:.0f} "
                f"only, in pictures of {width}x{height}: they were taken from smaller ones; take them from these"
            )

    def _photo(self, name: str, rng: np.random.Generator) -> _Photo:
        path = self.root / name
        picture = sound_picture(path)
        height, width = self.picture_size
        if Size.of(picture) != self.picture_size:
            raise DataError(
                f"{path} is {picture.shape[1]}x{picture.shape[0]} pixels and the first photograph of the list "
                f"{width}x{height}: keypoints belong to pictures of one size; scale both or leave it out of the list"
            )
        keypoints = read_keypoints(*_keypoint_files(self.root, name))
        _check_inside(keypoints, self.picture_size, _keypoint_files(self.root, name)[0])
        cut = Cut.sample(self.augmentation, self.size, rng)
        if cut.flip:
            picture = np.ascontiguousarray(picture[:, ::-1])
            keypoints = keypoints[_MIRRORED] * [-1, 1, 1] + [width - 1, 0, 0]
        condition = pose_condition(keypoints, (width, height), cut.loaded)
        return _Photo(cut.of(picture_tensor(picture, cut.loaded)), cut.of(condition).float() / 255)


@dataclass(frozen=True)
class _Photo:
    picture: torch.Tensor
    condition: torch.Tensor


def _check_inside(keypoints: np.ndarray, picture_size: Size, path: Path) -> None:
    """Check that not most keypoints lie outside the photograph.

    Raises:
        Damaged: Where they do.
    """
    try:
        check_inside(sampled_points([canonical(keypoints)]), picture_size, "keypoints")
    except DynastError as error:
        raise Damaged(path, str(error)) from None


def same_person(name: str, other: str) -> bool:
    """Whether two photographs show one person in the same clothes: one folder, and one number before the first `_`."""
    first, second = PurePosixPath(name), PurePosixPath(other)
    return first.parent == second.parent and first.name.split("_")[0] == second.name.split("_")[0]


def read_keypoints(candidate: Path, subset: Path) -> np.ndarray:
    """OpenPose's two tables as float64 [18, 3], x, y, score in pixels; NaN in x and y where a point was not seen.

    `candidate` has a row x, y, score, number for each point found; `subset` the row of each of the 18 keypoints of one
    person, -1 for none.

    Raises:
        Damaged: Where the files hold anything else.
        DataError: Where one of them is missing.
    """
    tables = []
    for path in (candidate, subset):
        try:
            tables.append(np.loadtxt(read_text(path).splitlines(), ndmin=2))
        except FileNotFoundError:
            raise DataError(f"{path}: no such keypoint file") from None
        except (OSError, ValueError) as error:
            raise Damaged(path, f"not a table of numbers ({error})") from None
    found, person = tables
    if found.size and found.shape[1] < 3:
        raise Damaged(candidate, f"has rows of {found.shape[1]} numbers, not x, y, score, number")
    if person.size < 18:
        raise Damaged(subset, f"holds {person.size} numbers, not 18 or more")
    stated = person.ravel()[:18]
    if not (np.abs(stated) <= FARTHEST).all() or not (np.isnan(found) | (np.abs(found) <= FARTHEST)).all():
        raise Damaged(candidate, "holds numbers beyond all pictures, or rows that are none")
    rows = stated.astype(int)
    if rows.max() >= len(found):
        raise Damaged(subset, f"names row {rows.max()} of {len(found)} in {candidate.name}")
    keypoints = np.full((18, 3), np.nan)
    keypoints[:, 2] = 0
    keypoints[rows >= 0] = found[rows[rows >= 0], :3]
    # A point that is named was seen, whatever its score.
    keypoints[rows >= 0, 2] = np.maximum(keypoints[rows >= 0, 2], 1e-6)
    return keypoints


def _exemplars(root: Path, held_out: bool) -> dict[str, tuple[str, ...]]:
    """The exemplars of each photograph, as the pair lists name them.

    Raises:
        DataError: Where a pair list is missing or malformed.
    """
    if held_out:
        return {key: others for key, *others in _rows(root / VALIDATION_PAIRS)}  # type: ignore[misc]
    paths = [root / PAIRS, root / SELF_PAIRS]
    present = [path for path in paths if path.exists()]
    if not present:
        raise DataError(
            f"{paths[1]}: no such list; copy {SELF_PAIRS} and {PAIRS} into the folder, see docs/data.md"
        )
    pairs: dict[str, tuple[str, ...]] = {}
    for path in present:
        for key, *others in _rows(path):
            pairs[key] = tuple(others if path.name == SELF_PAIRS else others[-1:])
    return pairs


def _rows(path: Path) -> list[list[str]]:
    rows = [[_posix(each) for each in line.split(",") if each.strip()] for line in read_list(path)]
    for number, row in enumerate(rows, start=1):
        if len(row) < 2:
            raise DataError(f"{path} line {number}: names no exemplar; a line is PICTURE,EXEMPLAR,...")
    return rows


def _posix(name: str) -> str:
    return name.strip().replace("\\", "/")


def _keypoint_files(root: Path, name: str) -> tuple[Path, Path]:
    stem = (root / ("pose" + name.removeprefix("img"))).with_suffix("")
    candidate, subset = (stem.with_name(f"{stem.name}_{each}.txt") for each in ("candidate", "subset"))
    return candidate, subset


def _first_size(root: Path, names: list[str]) -> Size:
    """The size of the first photograph that can be read.

    Raises:
        DataError: Where none can be read.
    """
    from PIL import Image

    for name in names:
        try:
            with Image.open(root / name) as picture:
                return Size(picture.height, picture.width)
        except (OSError, SyntaxError, ValueError):
            continue
    raise DataError(f"{root}: not one of the {len(names)} listed photographs can be read")
