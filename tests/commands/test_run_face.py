"""`dynast-run` with a face engine: parts of faces from files, and everything a person can get wrong with them."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from miniature_data import portraits, write_celebamask
from run_command import dynast_run, files, frames_of, job, only_error
from tiny_engine import write_tiny_engine

from dynast_deploy.conditions import face_condition, picture_tensor, tensor_picture
from dynast_deploy.face_parts import write_parts
from dynast_deploy.media.picture_files import read_picture, write_picture
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime import load_engine
from dynast_deploy.size import Size
from dynast_deploy.synthetic.faces import Portrait

FRAMES = 6


def drivers() -> list[Portrait]:
    """A driving face in several views."""
    return [portraits()[k % 2] for k in range(FRAMES)]


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an engine, a driving video of one face and an exemplar of another one, with their parts."""
    folder = tmp_path_factory.mktemp("faces")
    write_tiny_engine(folder, 15)
    with VideoWriter(folder / "drive.mp4", Size(64, 64), 25) as writer:
        for portrait in drivers():
            writer.write(portrait.picture)
    write_parts(folder / "drive.parts.npz", [portrait.masks for portrait in drivers()])
    write_picture(folder / "ref.png", portraits()[2].picture)
    write_parts(folder / "ref.parts.npz", [portraits()[2].masks])
    return folder


@pytest.fixture
def work(faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `faces` that a test may change, on a machine without MediaPipe."""
    monkeypatch.setattr("dynast_deploy.face_parts.sources.find_models", lambda _: None)
    return Path(shutil.copytree(faces, tmp_path / "work"))


def face_job(folder: Path, **changes: object) -> list[object]:
    return job(folder, **({"engine": folder / "tiny15.onnx"} | changes))


def test_the_frames_are_what_the_engine_renders_from_the_parts_next_to_the_video(
    work: Path, monkeypatch
) -> None:
    assert dynast_run(monkeypatch, *face_job(work, output=work / "out.mkv")) == 0
    engine = load_engine(work / "tiny15.onnx")
    lent = portraits()[2]
    exemplar = engine.encode_exemplar(
        picture_tensor(lent.picture, 32)[None], face_condition(lent.masks, lent.picture, 32)[None]
    )
    conditions = [
        face_condition(driver.masks, picture, 32)
        for driver, picture in zip(drivers(), frames_of(work / "drive.mp4"), strict=True)
    ]
    expected = [tensor_picture(image) for image in engine.render(exemplar, np.stack(conditions))]
    luma = np.array([0.2126, 0.7152, 0.0722])
    for frame, picture in zip(frames_of(work / "out.mkv"), expected, strict=True):
        assert np.abs(frame @ luma - picture @ luma).mean() < 8


def test_parts_may_be_named(work: Path, monkeypatch) -> None:
    for name in ("drive", "ref"):
        (work / f"{name}.parts.npz").rename(work / f"{name}-masks.npz")
    named = {"parts": work / "drive-masks.npz", "exemplar_parts": work / "ref-masks.npz"}
    assert dynast_run(monkeypatch, *face_job(work, **named)) == 0
    assert len(frames_of(work / "drive.dynast.mp4")) == FRAMES


def test_the_masks_of_celebamask_serve_its_own_photographs(work: Path, monkeypatch) -> None:
    """Found by number; one file with a mask for each picture gives the same."""
    write_celebamask(work / "data", (0, 1, 2001, 4005))
    photos, masks = work / "data" / "CelebA-HQ-img", work / "data" / "CelebAMask-HQ-mask-anno"
    assert dynast_run(monkeypatch, *face_job(work, video=None, images=photos, parts=masks)) == 0
    by_number = [read_picture(path) for path in sorted((work / "data" / "CelebA-HQ-img.dynast").iterdir())]
    assert len(by_number) == 4
    write_parts(work / "in-order.npz", [portrait.masks for portrait in portraits()])
    arguments = face_job(work, video=None, images=photos, parts=work / "in-order.npz", output=work / "again")
    assert dynast_run(monkeypatch, *arguments) == 0
    for one, again in zip(by_number, sorted((work / "again").iterdir()), strict=True):
        np.testing.assert_array_equal(one, read_picture(again))


def test_a_frame_without_a_face_keeps_the_face_before(work: Path, monkeypatch, capsys) -> None:
    masks = [portrait.masks for portrait in drivers()]
    write_parts(work / "drive.parts.npz", [{}, *masks[1:3], {}, *masks[4:]])
    assert dynast_run(monkeypatch, *face_job(work)) == 0
    note = "no face detected in 2 frames: 1 kept the face before, 1 at the beginning show no face"
    assert note in capsys.readouterr().err


def test_parts_move_with_the_margin_of_a_wide_picture(work: Path, monkeypatch) -> None:
    """A photograph with its border repeated beforehand gives the same condition as one that gets its margin."""
    shown = portraits()[0]
    masks = {part: mask[16:48] for part, mask in shown.masks.items()}
    write_picture(work / "wide.png", shown.picture[16:48])
    write_parts(work / "wide.parts.npz", [masks])
    padded = {
        part: cv2.copyMakeBorder(mask.astype(np.uint8), 16, 16, 0, 0, cv2.BORDER_REPLICATE)
        for part, mask in masks.items()
    }
    write_picture(
        work / "square.png",
        cv2.copyMakeBorder(shown.picture[16:48], 16, 16, 0, 0, cv2.BORDER_REPLICATE),
    )
    # Masks may be of another size than their picture.
    write_parts(
        work / "square.parts.npz", [{p: mask.repeat(2, 0).repeat(2, 1) for p, mask in padded.items()}]
    )
    for name in ("wide", "square"):
        assert dynast_run(monkeypatch, *face_job(work, video=None, images=work / f"{name}.png")) == 0
    wide, square = (read_picture(work / f"{name}.dynast.png") for name in ("wide", "square"))
    np.testing.assert_array_equal(wide, square[8:24])


def _parts(folder: Path, **arrays: np.ndarray) -> dict[str, object]:
    np.savez_compressed(folder / "other.npz", **arrays)
    return {"parts": folder / "other.npz"}


def _ones(*shape: int) -> np.ndarray:
    return np.ones(shape, np.uint8)


def _bytes(folder: Path, contents: bytes) -> dict[str, object]:
    (folder / "other.npz").write_bytes(contents)
    return {"parts": folder / "other.npz"}


def _flipped(contents: bytes) -> bytes:
    """The archive with a byte of its first array changed."""
    return contents[:300] + bytes([contents[300] ^ 255]) + contents[301:]


def _unlabelled(folder: Path) -> dict[str, object]:
    (folder / "masks").mkdir()
    return {"exemplar_parts": folder / "masks"}


def _unreadable(folder: Path) -> dict[str, object]:
    (folder / "masks").mkdir()
    (folder / "masks" / "ref_skin.png").write_text("a mask")
    return {"exemplar_parts": folder / "masks"}


MISTAKES = {
    "a frame too few": (
        lambda f: _parts(f, skin=_ones(5, 64, 64)),
        "other.npz holds 5 masks of each part for 6 frames: cut the video or the parts to the same frames",
    ),
    "masks of another shape": (
        lambda f: _parts(f, skin=_ones(6, 64, 48)),
        "other.npz: the picture is 64x64 and its masks are 48x64: they must cover the same picture",
    ),
    "parts of different sizes": (
        lambda f: _parts(f, skin=_ones(6, 64, 64), nose=_ones(6, 32, 32)),
        "nose is [6, 32, 32] and skin is [6, 64, 64]; all parts have as many masks, of one size",
    ),
    "an unknown part": (
        lambda f: _parts(f, skin=_ones(6, 64, 64), beard=_ones(6, 64, 64)),
        "other.npz: no part of a face: beard; the parts are skin, l_brow",
    ),
    "probabilities": (
        lambda f: _parts(f, skin=np.ones((6, 64, 64), np.float32)),
        "other.npz: skin is float32 [6, 64, 64]; masks are bool or integers",
    ),
    "an axis of channels": (lambda f: _parts(f, hair=_ones(6, 64, 64, 1)), "hair is uint8 [6, 64, 64, 1]"),
    "objects": (lambda f: _parts(f, skin=np.array([None])), "skin is object [1]; masks are bool"),
    "nothing in it": (lambda f: _parts(f), "other.npz: no masks in it; the parts are skin"),
    "keypoints": (lambda f: _parts(f, keypoints=_ones(6, 18, 3)), "no part of a face: keypoints"),
    "text": (lambda f: _bytes(f, b"masks"), "other.npz: not an .npz file, or cut short"),
    "a file cut short": (
        lambda f: _bytes(f, (f / "drive.parts.npz").read_bytes()[:-100]),
        "other.npz: not an .npz file, or cut short",
    ),
    "a damaged file": (
        lambda f: _bytes(f, _flipped((f / "drive.parts.npz").read_bytes())),
        "other.npz: damaged",
    ),
    "no such file": (lambda f: {"parts": f / "no.npz"}, "no.npz: no such file or folder of parts"),
    "a folder for a video": (
        lambda f: {"parts": f},
        "no masks of drive.mp4 (drive_skin.png, drive_nose.png, ...); a folder holds masks of pictures",
    ),
    "a folder without the exemplar": (_unlabelled, "masks: no masks of ref.png (ref_skin.png"),
    "a mask that is not a picture": (_unreadable, "ref_skin.png: no mask that can be read"),
    "no face in the exemplar": (
        lambda f: np.savez(f / "ref.parts.npz", skin=0 * _ones(64, 64)) or {},
        "ref.png: no face detected in the exemplar (parts: ",
    ),
    "no face in the video": (
        lambda f: _parts(f, skin=0 * _ones(6, 64, 64)),
        "no face detected in any of its 6 frames (parts: ",
    ),
    "no face in a picture": (
        lambda f: _parts(f, skin=0 * _ones(64, 64)) | {"video": None, "images": f / "ref.png"},
        "ref.png: no face detected in it; leave it out or give its parts with --parts",
    ),
    "nothing for the video": (
        lambda f: (f / "drive.parts.npz").unlink() or {},
        "or have them estimated by MediaPipe's networks, which come with: dynast fetch-models",
    ),
    "nothing for the exemplar": (
        lambda f: (f / "ref.parts.npz").unlink() or {},
        "Give them with --exemplar-parts",
    ),
    "keypoints for a face engine": (
        lambda f: {"poses": f / "drive.parts.npz"},
        "draws from face conditions, which have no keypoints; leave pose options out",
    ),
    "parts for a style engine": (
        lambda f: {"engine": write_tiny_engine(f, 3), "exemplar_parts": f / "ref.parts.npz"},
        "draws from style conditions, which have no parts of a face; leave --parts",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_status_2_and_no_output(
    work: Path, monkeypatch, capsys, mistake: str
) -> None:
    change, message = MISTAKES[mistake]
    changes = change(work)
    before = files(work)
    assert dynast_run(monkeypatch, *face_job(work, **changes)) == 2
    assert message in only_error(capsys.readouterr().err)
    assert files(work) == before
