"""Picture files in and out."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_files import list_pictures, read_picture, write_picture

PICTURE = np.random.default_rng(0).integers(0, 255, (6, 9, 3), np.uint8)


def test_png_comes_back_exactly(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", PICTURE)
    back = read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(back, PICTURE)
    assert back.flags.writeable


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".JPG"])
def test_lossy_formats_come_back_nearly(tmp_path: Path, suffix: str) -> None:
    smooth = np.zeros((32, 48, 3), np.uint8)
    smooth[..., 0], smooth[..., 1] = 200, np.arange(48) * 5
    write_picture(tmp_path / f"a{suffix}", smooth)
    assert np.abs(read_picture(tmp_path / f"a{suffix}").astype(int) - smooth).max() <= 12


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the stored picture is to be turned clockwise
    Image.fromarray(PICTURE).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), np.rot90(PICTURE, -1))


def test_transparency_is_laid_over_white(tmp_path: Path) -> None:
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0] = [(200, 0, 0, 255), (200, 0, 0, 0), (0, 0, 0, 128)]
    Image.fromarray(rgba).save(tmp_path / "a.png")
    np.testing.assert_allclose(
        read_picture(tmp_path / "a.png")[0], [(200, 0, 0), (255, 255, 255), (127, 127, 127)], atol=1
    )


def test_a_transparent_palette_entry_becomes_white(tmp_path: Path) -> None:
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.save(tmp_path / "a.png", transparency=0)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png")[0], [(255, 255, 255), (40, 50, 60)])


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_keeps_its_scale(tmp_path: Path, suffix: str) -> None:
    grey = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    Image.fromarray(grey).save(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read_picture(tmp_path / f"a{suffix}")[0, :, 1], [0, 1, 128, 255])


def test_cmyk_and_one_bit_pictures_become_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    Image.new("1", (4, 4), 1).save(tmp_path / "b.png")
    np.testing.assert_allclose(read_picture(tmp_path / "a.jpg")[0, 0], (255, 0, 0), atol=3)
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png"), np.full((4, 4, 3), 255, np.uint8))


def test_a_picture_cut_short_is_refused_in_one_line(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DynastError, match="a.png is damaged or cut short") as caught:
        read_picture(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "bomb.png").write_bytes(bomb + struct.pack(">I", 0) + b"IDAT" + b"\0\0\0\0")
    with pytest.raises(DynastError, match="bomb.png is too large"):
        read_picture(tmp_path / "bomb.png")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DynastError, match="not a picture that Pillow can read"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(DynastError, match="no such picture"):
        read_picture(tmp_path / "b.png")
    with pytest.raises(DynastError, match="not a picture file"):
        read_picture(tmp_path)


def test_an_unknown_suffix_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match=r"\.png, \.jpg"):
        write_picture(tmp_path / "a.xyz", PICTURE)
    with pytest.raises(DynastError, match="there is no folder"):
        write_picture(tmp_path / "none" / "a.png", PICTURE)


def test_a_failed_write_leaves_the_old_picture_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_picture(tmp_path / "a.png", PICTURE)

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(DynastError, match="the disk is full"):
        write_picture(tmp_path / "a.png", 255 - PICTURE)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), PICTURE)


def test_an_array_of_another_kind_is_a_bug(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        write_picture(tmp_path / "a.png", PICTURE.astype(np.float32))


def test_folders_are_listed_in_natural_order_and_every_picture_once(tmp_path: Path) -> None:
    for name in ("frame10.png", "frame2.PNG", "frame1.jpg", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    listed = list_pictures([tmp_path / "frame10.png", str(tmp_path)])
    assert [path.name for path in listed] == ["frame10.png", "frame1.jpg", "frame2.PNG"]


def test_nothing_to_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="holds no pictures"):
        list_pictures([tmp_path])
    with pytest.raises(DynastError, match="no such picture file or folder"):
        list_pictures([tmp_path / "none"])
    with pytest.raises(DynastError, match="no pictures are named"):
        list_pictures([])
