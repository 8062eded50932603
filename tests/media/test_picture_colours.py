"""Pictures of every kind of colour come out as a screen shows them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from icc_profiles import DISPLAY_P3, SRGB, cmyk_profile, grey_profile, rgb_profile, to_srgb
from PIL import Image, ImageCms, TiffImagePlugin

from dynast_deploy.media.picture_colours import STRIP_PIXELS
from dynast_deploy.media.picture_files import read_picture

COLOURS = np.random.default_rng(0).integers(40, 200, (12, 9, 3), np.uint8)
RAMP = np.arange(0, 256, 3, dtype=np.uint8).reshape(2, 43)


def differs(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(np.abs(found.astype(float) - wanted).max())


def in_rgb(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_phones_display_p3_becomes_srgb_and_is_turned(tmp_path: Path, ending: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / f"a.{ending}"
    Image.fromarray(COLOURS).save(file, icc_profile=rgb_profile(DISPLAY_P3, 2.2), exif=exif)
    found = read_picture(file)
    assert differs(found, np.rot90(to_srgb(COLOURS, DISPLAY_P3, 2.2), -1)) < 2
    assert differs(found, np.rot90(COLOURS, -1)) > 10


def test_a_profile_of_srgb_leaves_pixels_as_they_are(tmp_path: Path) -> None:
    everything = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(everything).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), everything)


def test_the_profile_counts_under_transparency_and_in_palettes(tmp_path: Path) -> None:
    profile = rgb_profile(DISPLAY_P3, 1.8)
    clear = np.dstack([COLOURS, np.full(COLOURS.shape[:2], 255, np.uint8)])
    clear[0, :, 3] = 0
    Image.fromarray(clear).save(tmp_path / "a.png", icc_profile=profile)
    wanted = to_srgb(COLOURS, DISPLAY_P3, 1.8)
    wanted[0] = 255
    assert differs(read_picture(tmp_path / "a.png"), wanted) < 2
    Image.fromarray(COLOURS).quantize(256).save(tmp_path / "b.png", icc_profile=profile)
    stored = np.asarray(Image.open(tmp_path / "b.png").convert("RGB"))
    assert differs(read_picture(tmp_path / "b.png"), to_srgb(stored, DISPLAY_P3, 1.8)) < 2


def test_profiles_of_greys_and_of_cmyk_count(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png", icc_profile=grey_profile(1.0))
    assert differs(read_picture(tmp_path / "a.png"), to_srgb(in_rgb(RAMP), SRGB, 1.0)) < 2
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / "b.png", icc_profile=grey_profile(1.0))
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png"), read_picture(tmp_path / "a.png"))
    Image.new("CMYK", (8, 8), (200, 30, 60, 0)).save(tmp_path / "c.jpg", icc_profile=cmyk_profile(128))
    assert differs(read_picture(tmp_path / "c.jpg"), np.full((8, 8, 3), 119.0)) < 3


@pytest.mark.parametrize(
    "profile",
    [
        b"nothing",
        rgb_profile(DISPLAY_P3, 2.2)[:200],
        rgb_profile(DISPLAY_P3, 2.2)[:128] + b"\xff" * 300,
        cmyk_profile(128),
        grey_profile(1.0),
    ],
    ids=["no-profile", "cut", "damaged", "of-cmyk", "of-grey"],
)
def test_a_profile_that_cannot_be_meant_is_left_out_of_account(tmp_path: Path, profile: bytes) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png", icc_profile=profile)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), COLOURS)


def test_lab_becomes_srgb(tmp_path: Path) -> None:
    lab = ImageCms.profileToProfile(
        Image.fromarray(COLOURS),
        ImageCms.createProfile("sRGB"),
        ImageCms.createProfile("LAB"),
        outputMode="LAB",
    )
    assert lab is not None
    lab.save(tmp_path / "a.tif")
    assert differs(read_picture(tmp_path / "a.tif"), COLOURS) < 10  # a and b have 8 bits over 255 units


def tagged(**tags: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    found = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        found[{"white_is_zero": 262, "largest": 281}[name]] = value
    return found


DEEP = {
    "16 bits": (RAMP.astype(np.uint16) * 257, {}),
    "12 bits in 16": ((RAMP / 255 * 4095).astype(np.uint16), {}),
    "10 bits in 16": ((RAMP / 255 * 1023).astype(np.uint16), {}),
    "14 bits in 16, said": (RAMP.astype(np.uint16) * 64, {"tiffinfo": tagged(largest=255 * 64)}),
    "8 bits in 32": (RAMP.astype(np.int32), {}),
    "32 bits": (RAMP.astype(np.int32) * (2**31 // 255), {}),
    "0..1": (RAMP.astype(np.float32) / 255, {}),
    "0..255": (RAMP.astype(np.float32), {}),
    "0..65535": (RAMP.astype(np.float32) * 257, {}),
}


@pytest.mark.parametrize("kind", DEEP)
def test_white_of_a_deep_tiff_is_white(tmp_path: Path, kind: str) -> None:
    values, how = DEEP[kind]
    Image.fromarray(values).save(tmp_path / "a.tif", **how)
    assert differs(read_picture(tmp_path / "a.tif"), in_rgb(RAMP)) <= 1


@pytest.mark.parametrize("bits", [8, 10, 12, 16])
def test_colours_of_few_bits_in_sixteen_are_not_black(tmp_path: Path, bits: int) -> None:
    values = (COLOURS / 255 * (2**bits - 1)).astype(np.uint16)
    values[0, 0] = 2**bits - 1
    cv2.imwrite(str(tmp_path / "a.tif"), values[..., ::-1])
    wanted = COLOURS.copy()
    wanted[0, 0] = 255
    assert differs(read_picture(tmp_path / "a.tif"), wanted) <= 1


def test_highlights_above_white_are_white_and_what_is_not_a_number_is_black(tmp_path: Path) -> None:
    values = np.array([[0.0, 0.2, 0.5, 1.0, 7.5, np.inf, np.nan, -1.0]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    np.testing.assert_array_equal(
        read_picture(tmp_path / "a.tif")[0, :, 0], [0, 51, 128, 255, 255, 255, 0, 0]
    )


def test_a_tiff_whose_white_is_zero_is_not_a_negative(tmp_path: Path) -> None:
    Image.fromarray(65535 - RAMP.astype(np.uint16) * 257).save(
        tmp_path / "a.tif", tiffinfo=tagged(white_is_zero=0)
    )
    with Image.open(tmp_path / "a.tif") as stored:
        assert stored.tag_v2[262] == 0  # type: ignore[attr-defined]
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tif"), in_rgb(RAMP))


def test_a_dark_png_of_16_bits_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(RAMP.astype(np.uint16)).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png").max() == 1


def test_pictures_larger_than_a_strip_keep_every_row(tmp_path: Path) -> None:
    width, height = 1024, 3 * STRIP_PIXELS // 1024 + 5
    tall = np.random.default_rng(0).integers(0, 256, (height, width), np.uint8)
    Image.fromarray(tall).save(tmp_path / "a.png", compress_level=1)
    np.testing.assert_array_equal(read_picture(tmp_path / "a.png"), in_rgb(tall))
    Image.fromarray(tall.astype(np.uint16) * 257).save(tmp_path / "b.png", compress_level=1)
    np.testing.assert_array_equal(read_picture(tmp_path / "b.png"), in_rgb(tall))
