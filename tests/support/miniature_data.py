"""Miniature data sets in the published layouts, from drawn people."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from dynast_deploy.synthetic.faces import Face, Portrait, View, sample_view
from dynast_deploy.synthetic.faces import render as render_face
from dynast_deploy.synthetic.people import Figure, Identity, render, sample_pose

PHOTO = 64
"""Pixels of a photograph's side."""


@cache
def figures() -> list[list[Figure]]:
    """Three people in two poses each."""
    rng = np.random.default_rng(0)
    return [[render(Identity.of_seed(seed), sample_pose(rng), PHOTO) for _ in range(2)] for seed in range(3)]


@cache
def portraits() -> list[Portrait]:
    """Four faces; the first two are one person's."""
    rng = np.random.default_rng(0)
    return [
        render_face(Face.of_seed(seed), sample_view(rng) if k else View(), PHOTO)
        for k, seed in enumerate((1, 1, 2, 3))
    ]


def photo_name(person: int, pose: int) -> str:
    """As the published lists write it."""
    return f"img\\WOMEN\\Dresses\\id_0000000{person}\\01_{pose + 1}_front.jpg"


def write_deepfashion(root: Path) -> list[str]:
    """Three people in two photographs each; two train, one validates. Returns the names that train."""
    names = {}
    for person, poses in enumerate(figures()):
        for pose, figure in enumerate(poses):
            name = names[person, pose] = photo_name(person, pose)
            path = root / name.replace("\\", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(figure.picture).save(path, quality=95)
            write_keypoints(root / ("pose" + name.replace("\\", "/").removeprefix("img")), figure.keypoints)
    training = [names[person, pose] for person in (0, 1) for pose in (0, 1)]
    (root / "train.txt").write_text("\n".join(training))
    (root / "val.txt").write_text(names[2, 0] + "\n")
    (root / "deepfashion_self_pair.txt").write_text(
        f"{names[0, 0]},{names[0, 1]}\n{names[0, 1]},{names[0, 0]}\n"
    )
    (root / "deepfashion_ref.txt").write_text(f"{names[1, 0]},{names[0, 0]},{names[0, 1]}\n")
    (root / "deepfashion_ref_test.txt").write_text(f"{names[2, 0]},{names[0, 0]}\n")
    return [name.replace("\\", "/") for name in training]


def write_keypoints(photo: Path, keypoints: np.ndarray) -> None:
    """OpenPose's candidate and subset tables next to where the photograph would be; unseen keypoints have no row."""
    photo.parent.mkdir(parents=True, exist_ok=True)
    seen = np.flatnonzero(keypoints[:, 2] > 0)
    rows = np.concatenate([keypoints[seen], np.arange(len(seen))[:, None]], axis=1)
    subset = np.full(20, -1.0)
    subset[seen] = np.arange(len(seen))
    subset[18:] = 20.0, len(seen)
    np.savetxt(photo.with_name(photo.stem + "_candidate.txt"), rows)
    np.savetxt(photo.with_name(photo.stem + "_subset.txt"), subset[None])


def write_celebamask(root: Path, numbers: tuple[int, ...] = (0, 1, 2001, 4005)) -> None:
    """Four photographs with the masks of their parts, at twice the photographs' size."""
    (root / "CelebA-HQ-img").mkdir(parents=True)
    for number, portrait in zip(numbers, portraits(), strict=True):
        Image.fromarray(portrait.picture).save(root / "CelebA-HQ-img" / f"{number}.jpg", quality=95)
        folder = root / "CelebAMask-HQ-mask-anno" / str(number // 2000)
        folder.mkdir(parents=True, exist_ok=True)
        for part, mask in portrait.masks.items():
            large = Image.fromarray(mask.astype(np.uint8) * 255).resize(
                (2 * PHOTO, 2 * PHOTO), Image.Resampling.NEAREST
            )
            large.convert("RGB").save(folder / f"{number:05d}_{part}.png")
        large.save(folder / f"{number:05d}_neck.png")


def write_style_folders(root: Path, count: int = 11) -> None:
    """Landscapes, portraits and grey pictures of several sizes and modes."""
    rng = np.random.default_rng(0)
    for kind in ("content", "style"):
        (root / kind).mkdir(parents=True)
        for k in range(count):
            shape = ((40, 60, 3), (70, 50, 3), (48, 48), (50, 50, 4))[k % 4]
            picture = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
            picture.save(root / kind / f"{k}.png")
