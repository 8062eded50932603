"""Pictures that state wide primaries by number, not by a profile, come out as a screen shows them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from icc_profiles import DISPLAY_P3, to_srgb
from PIL import Image, features

from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.media.picture_primaries import stated_primaries

COLOUR = np.array([200, 60, 30])
PQ = 16


def write_png(path: Path, primaries: int, transfer: int, picture: Image.Image) -> None:
    """A PNG with the chunk cICP behind its header."""
    picture.save(path)
    chunk = b"cICP" + bytes([primaries, transfer, 0, 1])
    stored = path.read_bytes()
    path.write_bytes(
        stored[:33] + struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk)) + stored[33:]
    )


def flat(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (16, 16), tuple(COLOUR.tolist()))
    return picture.quantize(4) if mode == "P" else picture.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_display_p3_in_a_png_becomes_srgb(tmp_path: Path, mode: str) -> None:
    write_png(tmp_path / "a.png", 12, 13, flat(mode))
    shown = read_picture(tmp_path / "a.png")[8, 8]
    assert np.abs(shown - to_srgb(COLOUR, DISPLAY_P3, 2.2)).max() < 5
    assert np.abs(shown - COLOUR).max() > 10


@pytest.mark.parametrize(("primaries", "transfer"), [(1, 13), (2, 2), (12, PQ), (255, 255)])
def test_other_primaries_and_high_dynamic_range_stay_as_they_are(
    tmp_path: Path, primaries: int, transfer: int
) -> None:
    write_png(tmp_path / "a.png", primaries, transfer, flat())
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png")[8, 8], COLOUR)


def test_greys_have_no_primaries(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", 12, 13, Image.new("L", (16, 16), 90))
    assert (read_picture(tmp_path / "a.png") == 90).all()


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_display_p3_in_an_avif_becomes_srgb(tmp_path: Path) -> None:
    file = tmp_path / "a.avif"
    flat().save(file, quality=100, subsampling="4:4:4")
    plain = read_picture(file)[8, 8]
    stored = bytearray(file.read_bytes())
    at = stored.find(b"nclx")
    stored[at + 4 : at + 6] = b"\0\x0c"
    file.write_bytes(stored)
    shown = read_picture(file)[8, 8]
    assert np.abs(shown - to_srgb(plain, DISPLAY_P3, 2.2)).max() < 5
    assert np.abs(shown - COLOUR).max() > 10


@pytest.mark.parametrize("cut", [8, 20, 40, 50])
def test_a_file_that_ends_within_the_statement_states_nothing(tmp_path: Path, cut: int) -> None:
    write_png(tmp_path / "a.png", 12, 13, flat())
    with Image.open(tmp_path / "a.png") as picture:
        (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:cut] + b"\0" * (cut % 7))
        assert stated_primaries(picture) in (None, (12, 13))
