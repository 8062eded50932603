"""Masks as people have them: of two levels, in colours, transparent, soft, and as labels of a face parser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from miniature_data import portraits
from PIL import Image

from dynast_deploy.conditions import FACE_PARTS
from dynast_deploy.errors import DynastError
from dynast_deploy.face_parts import PartsFile, resolve_parts
from dynast_deploy.face_parts.label_map import CELEBAMASK, FACE_PARSING
from dynast_deploy.face_parts.mask_pictures import read_mask

PORTRAIT = portraits()[0]
SKIN = PORTRAIT.masks["skin"]
LEVELS = SKIN.astype(np.uint8)
SOFT = np.random.default_rng(0).integers(0, 100, SKIN.shape) + np.where(SKIN, 156, 0)


def palette(mask: np.ndarray) -> Image.Image:
    picture = Image.fromarray(mask.astype(np.uint8), "P")
    picture.putpalette([0, 0, 0, 128, 0, 0])
    return picture


def rgba(*colour: int) -> np.ndarray:
    return np.dstack([np.full((*SKIN.shape, 3), colour, np.uint8), LEVELS * 255])


WRITTEN: dict[str, Callable[[], Image.Image]] = {
    "0 and 1": lambda: Image.fromarray(LEVELS),
    "0 and 255": lambda: Image.fromarray(LEVELS * 255),
    "16 bits, 0 and 255": lambda: Image.fromarray(LEVELS.astype(np.uint16) * 255),
    "16 bits, 0 and 1": lambda: Image.fromarray(LEVELS.astype(np.uint16)),
    "one bit": lambda: Image.fromarray(SKIN),
    "dark red of a palette": lambda: palette(SKIN),
    "blue on black": lambda: Image.fromarray(np.dstack([LEVELS * 0, LEVELS * 0, LEVELS * 200])),
    "white that is transparent outside": lambda: Image.fromarray(rgba(255, 255, 255)),
    "black that is transparent outside": lambda: Image.fromarray(rgba(0, 0, 0)),
    "soft": lambda: Image.fromarray(SOFT.astype(np.uint8)),
    "soft, 16 bits": lambda: Image.fromarray((SOFT * 257).astype(np.uint16)),
    "opaque": lambda: Image.fromarray(np.dstack([LEVELS * 255] * 3 + [LEVELS * 0 + 255])),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_mask_picture_means_the_same_however_it_was_written(tmp_path: Path, kind: str) -> None:
    WRITTEN[kind]().save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "a.png"), SKIN)


@pytest.mark.parametrize(("level", "inside"), [(0, False), (1, True), (255, True)])
def test_a_mask_of_one_level_is_empty_or_full(tmp_path: Path, level: int, inside: bool) -> None:
    Image.new("L", (6, 4), level).save(tmp_path / "a.png")
    assert (read_mask(tmp_path / "a.png") == inside).all()


def test_labels_are_not_taken_for_one_mask(tmp_path: Path) -> None:
    Image.fromarray(labels(FACE_PARSING)).save(tmp_path / "a.png")
    with pytest.raises(DynastError, match="a.png holds several levels up to 17, which are labels"):
        read_mask(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DynastError, match="a.png: no mask that can be read"):
        read_mask(tmp_path / "a.png")


def labels(order: tuple[str, ...]) -> np.ndarray:
    """uint8 [H, W]; parts that lie on the skin come after it."""
    found = np.zeros(SKIN.shape, np.uint8)
    for part in FACE_PARTS:
        if part in PORTRAIT.masks:
            found[PORTRAIT.masks[part]] = order.index(part) + 1
    return found


def check_parts(found: dict[str, np.ndarray], drawn: np.ndarray, order: tuple[str, ...]) -> None:
    for part in set(FACE_PARTS) - {"skin"}:
        wanted = drawn == order.index(part) + 1
        assert (part in found) == wanted.any()
        if part in found:
            np.testing.assert_array_equal(found[part], wanted)
    hair = drawn == order.index("hair") + 1
    np.testing.assert_array_equal(found["skin"] & ~hair, SKIN & ~hair & (drawn > 0))


@pytest.mark.parametrize("turn", [0, 1, 2])
@pytest.mark.parametrize(
    "order", [FACE_PARSING, CELEBAMASK, FACE_PARTS], ids=["BiSeNet", "CelebAMask", "ours"]
)
def test_labels_are_read_in_the_order_that_shows_a_face(
    tmp_path: Path, order: tuple[str, ...], turn: int
) -> None:
    drawn = np.rot90(labels(order), turn)
    Image.fromarray(drawn).save(tmp_path / "a.png")
    (tmp_path / "folder").mkdir()
    Image.fromarray(np.dstack([drawn] * 3)).save(tmp_path / "folder" / "a.png")
    np.savez(tmp_path / "a.npz", labels=np.stack([drawn * 0, drawn]))
    picture = np.zeros((*SKIN.shape, 3), np.uint8)
    for parts, frame in ((tmp_path / "a.png", 0), (tmp_path / "folder", 0), (tmp_path / "a.npz", 1)):
        with resolve_parts(tmp_path / "a.jpg", parts) as source:
            found = source.masks(frame, picture)
            check_parts({part: np.rot90(mask, -turn) for part, mask in found.items()}, labels(order), order)
    with PartsFile(tmp_path / "a.npz") as file:
        assert file.masks(0) == {}


def test_labels_in_no_known_order_are_refused(tmp_path: Path) -> None:
    drawn = labels(FACE_PARSING)
    swapped = np.choose(drawn, [0, 10, *range(2, 10), 1, *range(11, 19)]).astype(np.uint8)  # skin and nose
    for name, levels in (("swapped", swapped), ("more", drawn + 30 * (drawn > 0))):
        Image.fromarray(levels.astype(np.uint8)).save(tmp_path / f"{name}.png")
        with pytest.raises(DynastError, match="in an unknown order; known are the orders of face-parsing"):
            resolve_parts(tmp_path / "a.jpg", tmp_path / f"{name}.png")


def test_pictures_that_hold_no_labels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(PORTRAIT.picture).save(tmp_path / "b.png")
    Image.fromarray(labels(FACE_PARSING)).save(tmp_path / "b.jpg")
    for name, message in (("b.png", "a picture in colours"), ("b.jpg", "JPEG, which blurs labels")):
        with pytest.raises(DynastError, match=message):
            resolve_parts(tmp_path / "a.png", tmp_path / name)
    with pytest.raises(DynastError, match="no masks of b.png"):  # the photograph itself
        resolve_parts(tmp_path / "b.png", tmp_path)


def test_parts_beyond_ours_are_passed_over_and_soft_arrays_cut_at_half(tmp_path: Path) -> None:
    noisy = np.where(SKIN, 255, 3).astype(np.uint8)
    others = dict.fromkeys(("neck", "neck_l", "cloth", "hat", "ear_r", "background"), SKIN)
    np.savez(tmp_path / "a.npz", skin=noisy, hair=np.zeros_like(noisy) + 3, nose=SKIN * np.uint8(7), **others)
    with PartsFile(tmp_path / "a.npz") as file:
        found = file.masks(0)
    assert found.keys() == {"skin", "nose"}
    np.testing.assert_array_equal(found["skin"], SKIN)
    np.testing.assert_array_equal(found["nose"], SKIN)
    np.savez(tmp_path / "b.npz", skin=noisy, labels=noisy)
    with pytest.raises(DynastError, match="b.npz: holds both labels and masks of parts"):
        PartsFile(tmp_path / "b.npz")


def test_very_large_masks_are_thinned_and_keep_their_proportions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dynast_deploy.face_parts.inside._MOST_PIXELS", SKIN.size // 5)
    np.savez(tmp_path / "a.npz", skin=SKIN)
    Image.fromarray(LEVELS).save(tmp_path / "a_skin.png")
    for parts in (tmp_path / "a.npz", tmp_path):
        with resolve_parts(tmp_path / "a.jpg", parts) as source:
            found = source.masks(0, PORTRAIT.picture)["skin"]
            np.testing.assert_array_equal(found, SKIN[::3, ::3])
            assert found.base is None  # the whole mask is freed
