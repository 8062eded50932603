"""Parts of faces in files: what is written is read again, whatever NumPy made of it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from miniature_data import portraits, write_celebamask

from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import PartsFile, find_parts_beside, resolve_parts, sources, write_parts
from dynast_deploy.face_parts.mask_pictures import find_mask_pictures
from dynast_deploy.size import Size

PICTURE = np.zeros((64, 64, 3), np.uint8)


def same(found: dict[str, np.ndarray], masks: dict[str, np.ndarray]) -> bool:
    return found.keys() == masks.keys() and all((found[part] == masks[part]).all() for part in masks)


def test_what_is_written_is_read_again_in_any_order(tmp_path: Path) -> None:
    frames = [*(portrait.masks for portrait in portraits()), {}]
    write_parts(tmp_path / "a.npz", frames)
    with PartsFile(tmp_path / "a.npz") as file:
        assert (file.frames, file.size) == (5, Size(64, 64))
        for index in (0, 3, 1, 4, 4, 2):
            assert same(file.masks(index), frames[index])


def test_masks_lie_compactly(tmp_path: Path) -> None:
    write_parts(tmp_path / "a.npz", [portrait.masks for portrait in portraits()])
    masks = sum(mask.size for portrait in portraits() for mask in portrait.masks.values())
    assert (tmp_path / "a.npz").stat().st_size < masks / 15


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64])
def test_any_integers_are_masks_in_any_layout(tmp_path: Path, kind: type) -> None:
    rng = np.random.default_rng(0)
    skin, nose = (rng.integers(0, 3, (3, 6, 4)).astype(kind) for _ in range(2))
    np.savez(tmp_path / "a.npz", skin=skin, nose=np.asfortranarray(nose))
    with PartsFile(tmp_path / "a.npz") as file:
        assert (file.frames, file.size) == (3, Size(6, 4))
        for index in (2, 0):
            assert same(file.masks(index), {"skin": skin[index] != 0, "nose": nose[index] != 0})


def test_a_picture_needs_no_axis_of_frames(tmp_path: Path) -> None:
    mask = np.eye(5, dtype=np.uint8)[:3] * 255
    np.savez(tmp_path / "a.npz", hair=mask, skin=np.asfortranarray(mask)[None])
    with PartsFile(tmp_path / "a.npz") as file:
        assert (file.frames, file.size) == (1, Size(3, 5))
        assert same(file.masks(0), {"hair": mask > 0, "skin": mask > 0})


def test_an_array_shorter_than_it_states_is_damaged(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", skin=np.ones((3, 8, 8), bool))
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        contents = archive.read("skin.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("skin.npy", contents[:-1])
    with pytest.raises(DynastError, match="another length than it states"):
        PartsFile(tmp_path / "a.npz")


def test_nothing_wrong_is_written(tmp_path: Path) -> None:
    for name, frames, message in (
        ("a.npz", [{"neck": PICTURE[..., 0]}], "no part of a face: neck"),
        ("a.npy", [{"skin": PICTURE[..., 0]}], "written as .npz"),
        ("a.npz", [{}], "no frame shows a part"),
    ):
        with pytest.raises(DynastError, match=message):
            write_parts(tmp_path / name, frames)
    assert not list(tmp_path.iterdir())


def test_the_named_file_comes_before_the_one_next_to_the_video_and_that_before_mediapipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "find_models", lambda _: Path("bundle.task"))
    monkeypatch.setattr(sources, "FaceMesh", lambda models: None)
    video = tmp_path / "talk.2.mp4"
    assert find_parts_beside(video) is None
    assert resolve_parts(video).origin == "MediaPipe's models in bundle.task"
    write_parts(tmp_path / "talk.2.parts.npz", [portraits()[0].masks])
    write_parts(tmp_path / "other.npz", [portraits()[1].masks] * 2)
    with resolve_parts(video) as sidecar, resolve_parts(video, tmp_path / "other.npz") as named:
        assert sidecar.origin.endswith("talk.2.parts.npz")
        assert (sidecar.frames, named.frames) == (1, 2)
        assert same(named.masks(1, PICTURE), portraits()[1].masks)
        with pytest.raises(DynastError, match="holds 2 masks of each part and none for frame 2"):
            named.masks(2, PICTURE)


@pytest.mark.parametrize("name", ["00007", "7", "portrait"])
def test_masks_of_a_picture_are_found_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name.rjust(5, '0') if name == '7' else name}_hair.png").touch()
    (tmp_path / f"{name}_neck.png").touch()
    assert find_mask_pictures(tmp_path, name).keys() == {"hair"}
    assert find_mask_pictures(tmp_path, "other") == {}


def test_celebamasks_folders_are_read_as_in_training(tmp_path: Path) -> None:
    write_celebamask(tmp_path, (0, 1, 2001, 4005))
    masks = tmp_path / "CelebAMask-HQ-mask-anno"
    with resolve_parts(tmp_path / "2001.jpg", masks) as source:
        found = source.masks(0, PICTURE)
        assert same({part: mask[::2, ::2] for part, mask in found.items()}, portraits()[2].masks)
