"""Which files of a folder are driving pictures, and what is said about the others."""

from __future__ import annotations

from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from dynast_deploy.commands.run import picture_outputs
from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_files import opened_picture, read_picture
from dynast_deploy.media.picture_names import list_pictures, register_heif
from dynast_deploy.media.video_reader import VideoReader

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 20, 3), np.uint8))
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64
"""As a photograph of a phone begins."""


def listed(folder: Path) -> tuple[list[str], list[str]]:
    notes: list[str] = []
    return [path.name for path in list_pictures([folder], notes)], notes


def test_pictures_as_phones_and_browsers_name_them_are_found(tmp_path: Path) -> None:
    kinds = {
        "a.jpg": "JPEG", "b.jfif": "JPEG", "c.JPE": "JPEG", "d.ppm": "PPM", "e.PGM": "PPM", "f.tga": "TGA",
        "g": "PNG", "h.heic": "JPEG", "i.dib": "BMP",
    }  # fmt: skip
    kinds |= {f"j.{ending}": kind for ending, kind in (("jp2", "JPEG2000"),) if features.check("jpg_2000")}
    if "avif" in features.get_supported():
        kinds["k.avif"] = "AVIF"
    for name, kind in kinds.items():
        PICTURE.save(tmp_path / name, kind)
    (tmp_path / "LICENSE").write_text("a text without ending")
    (tmp_path / "notes.txt").write_text("a text")
    assert listed(tmp_path) == (sorted(kinds), [])
    for name in kinds:
        assert read_picture(tmp_path / name).shape == (16, 20, 3)


@pytest.mark.skipif(find_spec("pillow_heif") is not None, reason="pillow-heif is installed, so HEIC is read")
def test_what_pillow_cannot_read_is_named_with_the_remedy(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "a.png")
    PICTURE.save(tmp_path / "raw.dng", "TIFF")  # as Pillow sees a raw file: its preview
    for name in ("b.heic", "c.HEIC", "d.heic", "e.heic"):
        (tmp_path / name).write_bytes(HEIC)
    names, (note,) = listed(tmp_path)
    assert names == ["a.png"]
    assert "pip install pillow-heif" in note
    assert "raw.dng" in note
    assert "d.heic and 1 more" in note or "c.HEIC" in note
    assert "\n" not in note
    (tmp_path / "a.png").unlink()
    with pytest.raises(DynastError, match="holds no pictures; .*pip install pillow-heif"):
        list_pictures([tmp_path])
    for name, remedy in (("b.heic", "pip install pillow-heif"), ("raw.dng", "develop it to PNG or JPEG")):
        with pytest.raises(DynastError, match=remedy):
            read_picture(tmp_path / name)


def test_heic_is_read_where_its_plugin_is_installed(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    register_heif()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(tmp_path / "a.heic", quality=95)
    assert heif.is_supported(tmp_path / "a.heic")
    assert listed(tmp_path) == (["a.heic"], [])
    np.testing.assert_allclose(read_picture(tmp_path / "a.heic")[32, 32], (200, 30, 30), atol=4)


def test_results_next_to_their_pictures_are_left_out_and_alone_they_are_pictures(tmp_path: Path) -> None:
    for name in ("a.png", "a.dynast.png", "a.condition.png", "b.dynast.png", "talk.condition.png"):
        PICTURE.save(tmp_path / name)
    (tmp_path / "talk.mp4").write_bytes(b"")
    names, (note,) = listed(tmp_path)
    assert names == ["a.png", "b.dynast.png"]
    assert "a.condition.png, a.dynast.png, talk.condition.png" in note


def test_an_output_that_is_another_kind_of_file_is_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    pictures = [tmp_path / "a.png"]
    for name in ("result.bmp", "result.AVIF", "result.heic", "result.mp4"):
        with pytest.raises(DynastError, match=r"written as \.png, \.jpg, \.jpeg, \.webp, not as"):
            picture_outputs(pictures, pictures, tmp_path / name)
    assert not list(tmp_path.iterdir())
    assert picture_outputs(pictures, pictures, tmp_path / "take.2") == {
        pictures[0]: tmp_path / "take.2" / "a.png"
    }


def test_a_large_photograph_prints_no_warning_of_pillow(
    tmp_path: Path, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    PICTURE.save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # the picture has 320
    assert read_picture(tmp_path / "a.png").shape == (16, 20, 3)
    assert not recwarn.list


def test_a_picture_that_would_fill_the_memory_is_refused_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PICTURE.save(tmp_path / "a.png")
    monkeypatch.setattr("dynast_deploy.media.picture_files.MOST_BYTES", 320 * 8 - 1)
    with pytest.raises(DynastError, match="a.png is too large: 20x16 is more than"):
        read_picture(tmp_path / "a.png")
    with opened_picture(tmp_path / "a.png") as stored:
        assert stored.size == (20, 16)


def times_or_message(path: Path) -> list[Fraction] | str:
    try:
        with VideoReader(path) as video:
            return [frame.time for frame in video]
    except DynastError as error:
        return str(error)


def test_an_animated_webp_is_a_picture_and_a_video_or_named_rightly(tmp_path: Path) -> None:
    frames = [PICTURE.resize((64, 64)), PICTURE.rotate(180).resize((64, 64))]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], duration=[200, 700])
    assert read_picture(tmp_path / "a.webp").shape == (64, 64, 3)
    # FFmpeg of PyAV 19 decodes it, that of 18 does not.
    found = times_or_message(tmp_path / "a.webp")
    assert found == [0, Fraction(1, 5)] or "is an animated WebP, which this FFmpeg does not decode" in str(
        found
    )


def test_a_name_that_cannot_be_a_file_is_refused(tmp_path: Path) -> None:
    for name in ("x" * 300 + ".png", "a\0b.png"):
        with pytest.raises(DynastError, match="no such picture"):
            list_pictures([tmp_path / name])
        with pytest.raises(DynastError, match="no such picture"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize("name", ["page.jpg", "cut.avif"])
def test_a_damaged_file_of_a_kind_that_is_read_asks_for_nothing_to_be_installed(
    tmp_path: Path, name: str
) -> None:
    if name.endswith("avif") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    (tmp_path / name).write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(DynastError, match="is not a picture that Pillow can read; copy it again, or convert"):
        read_picture(tmp_path / name)
