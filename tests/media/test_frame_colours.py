"""Colours of decoded frames: every matrix, range and pixel format, and transparency."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from checkout import DATA
from PIL import Image

from dynast_deploy.errors import DynastError
from dynast_deploy.media.frame_colours import RgbConverter, StatedColours
from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.media.video_reader import VideoReader

VIDEOS = DATA / "videos"
LIMITED, FULL = 1, 2
# swscale's fast way (8 bits, 4:2:0) cuts off each product; elsewhere it rounds.
FAST, ROUNDED = 2.0, 1.2
# ITU-T H.273, table 4: the weights of red and blue.
WEIGHTS = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}


def by_definition(stored: tuple[int, int, int], bits: int, matrix: int, full_range: bool) -> np.ndarray:
    """RGB, 0..255, of one Y, Cb, Cr, by the equations of ITU-T H.273, 8.3."""
    red, blue = WEIGHTS[matrix]
    unit = 2 ** (bits - 8)
    black, luma_span, chroma_span = (
        (0, 2**bits - 1, 2**bits - 1) if full_range else (16 * unit, 219 * unit, 224 * unit)
    )
    luma = (stored[0] - black) / luma_span
    from_blue, from_red = ((part - 128 * unit) / chroma_span for part in stored[1:])
    r, b = luma + 2 * (1 - red) * from_red, luma + 2 * (1 - blue) * from_blue
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return np.clip(np.array([r, g, b]) * 255, 0, 255)


def flat_frame(kind: str, values: tuple[int, ...], height: int = 48, width: int = 64) -> av.VideoFrame:
    """A frame all of one colour, given as it is stored."""
    frame = av.VideoFrame(width, height, kind)
    for plane, value in zip(frame.planes, values, strict=True):
        depth = np.uint16 if kind.endswith("le") else np.uint8
        plane.update(np.full(plane.buffer_size // depth().itemsize, value, depth).tobytes())
    return frame


def converted(frame: av.VideoFrame, stated: StatedColours | None = None) -> np.ndarray:
    picture = RgbConverter(Path("a.mp4"), stated or StatedColours()).convert(frame)
    assert picture.shape == (frame.height, frame.width, 3)
    assert picture.dtype == np.uint8
    assert (picture == picture[0, 0]).all()
    return picture[0, 0].astype(float)


@pytest.mark.parametrize("height", [48, 47])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("kind", "bits"),
    [
        ("yuv420p", 8),
        ("yuv422p", 8),
        ("yuv444p", 8),
        ("yuv420p10le", 10),
        ("yuv422p10le", 10),
        ("yuv444p10le", 10),
        ("yuv420p12le", 12),
        ("yuv444p12le", 12),
        ("yuv444p16le", 16),
    ],
)
def test_every_matrix_range_and_depth_is_converted_by_its_definition(
    kind: str, bits: int, full_range: bool, height: int
) -> None:
    unit = 2 ** (bits - 8)
    white, black = (2**bits - 1, 0) if full_range else (235 * unit, 16 * unit)
    middle = 128 * unit
    for matrix in WEIGHTS:
        for values in (
            (90 * unit, 140 * unit, 110 * unit),
            (150 * unit, 100 * unit, 170 * unit),
            (white, middle, middle),
            (black, middle, middle),
        ):
            frame = flat_frame(kind, values, height)
            frame.colorspace, frame.color_range = matrix, FULL if full_range else LIMITED
            wanted = by_definition(values, bits, matrix, full_range)
            tolerance = 0.5 if values[0] in (white, black) else ROUNDED if bits > 8 else FAST
            assert np.abs(converted(frame) - wanted).max() <= tolerance, (matrix, values)


@pytest.mark.parametrize(("height", "width", "matrix"), [(48, 64, 5), (720, 960, 1), (576, 1280, 1)])
@pytest.mark.parametrize("unstated", [0, 2, 3])
def test_a_matrix_that_nothing_states_depends_on_the_size(
    unstated: int, height: int, width: int, matrix: int
) -> None:
    frame = flat_frame("yuv420p", (90, 140, 110), height, width)
    frame.colorspace = unstated
    assert np.abs(converted(frame) - by_definition((90, 140, 110), 8, matrix, False)).max() <= FAST


@pytest.mark.parametrize("kind", ["yuv420p", "yuvj420p", "yuv444p"])
@pytest.mark.parametrize("full_range", [False, True])
def test_what_the_container_states_goes_before_the_frame(kind: str, full_range: bool) -> None:
    values = (90, 140, 110)
    frame = flat_frame(kind, values)
    frame.colorspace, frame.color_range = 5, LIMITED if full_range else FULL
    wanted = by_definition(values, 8, 9, full_range)
    assert np.abs(converted(frame, StatedColours(9, full_range)) - wanted).max() <= FAST


@pytest.mark.parametrize("matrix", [8, 10, 11, 12, 13, 14, 15, 16, 17, 99])
def test_a_matrix_that_cannot_be_converted_is_refused_by_name(matrix: int) -> None:
    frame = flat_frame("yuv420p", (90, 140, 110))
    frame.colorspace = matrix
    with pytest.raises(DynastError, match=r"a\.mp4: the matrix of its colours \(.+\) cannot be converted"):
        converted(frame)


@pytest.mark.parametrize(
    ("kind", "bits"), [("gray", 8), ("gray10le", 10), ("gray12le", 12), ("gray16le", 16)]
)
def test_grey_is_taken_for_full_range_unless_limited_is_stated(kind: str, bits: int) -> None:
    unit = 2 ** (bits - 8)
    for grey, value in ((0, 16), (128, 126), (255, 235)):
        frame = flat_frame(kind, (value * unit,))
        assert np.abs(converted(frame) - value).max() <= 0.5
        assert np.abs(converted(frame, StatedColours(full_range=False)) - grey).max() <= 1
        frame.color_range = LIMITED
        assert np.abs(converted(frame) - grey).max() <= 1
        assert np.abs(converted(frame, StatedColours(full_range=True)) - value).max() <= 0.5


def test_rgb_has_no_matrix() -> None:
    picture = np.full((48, 64, 3), (200, 40, 90), np.uint8)
    for kind in ("rgb24", "bgr24", "gbrp", "gbrp10le", "rgb48le", "rgb0"):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=kind)
        frame.colorspace = 10
        assert converted(frame).tolist() == [200, 40, 90]


def test_a_canvas_recorded_by_a_browser_keeps_its_grey() -> None:
    with VideoReader(VIDEOS / "mr_default.webm") as reader:
        frames = list(reader)
    assert (frames[0].picture == 20).all()


def test_colours_that_only_the_container_states_are_followed() -> None:
    with av.open(str(VIDEOS / "co2_hevc.mkv")) as container:
        frame = next(container.decode(video=0))
        assert frame.colorspace == 2
        stored = frame.to_ndarray()
    values = (int(stored[0, 0]), int(stored[128, 0]), int(stored[160, 0]))
    with VideoReader(VIDEOS / "co2_hevc.mkv") as reader:
        first = next(reader).picture
    assert np.abs(first[0, 0] - by_definition(values, 8, 9, True)).max() <= FAST


@pytest.mark.parametrize(("matrix", "full_range"), [(9, True), (6, True), (6, False)])
def test_an_mp4s_own_statement_goes_before_that_in_its_pictures(
    tmp_path: Path, matrix: int, full_range: bool
) -> None:
    values = (90, 140, 110)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 1, LIMITED
        stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
        container.mux(stream.encode(flat_frame("yuv420p", values)))
        container.mux(stream.encode(None))
    stored = (tmp_path / "a.mp4").read_bytes()
    box = stored.index(b"colrnclx")
    assert stored[box + 12 : box + 15] == bytes([0, 1, 0])
    changed = stored[: box + 12] + bytes([0, matrix, 0x80 * full_range]) + stored[box + 15 :]
    (tmp_path / "a.mp4").write_bytes(changed)
    with VideoReader(tmp_path / "a.mp4") as reader:
        picture = next(reader).picture
    assert np.abs(picture[0, 0] - by_definition(values, 8, matrix, full_range)).max() <= FAST


@pytest.mark.parametrize("name", ["w10.mp4", "wsar.mp4"])
def test_white_of_ten_bits_or_of_pixels_that_are_not_square_is_white(name: str) -> None:
    with VideoReader(VIDEOS / name) as reader:
        for frame in reader:
            assert (frame.picture == 255).all()


def test_constant_luminance_is_refused_when_the_video_is_opened() -> None:
    with pytest.raises(DynastError) as refusal:
        VideoReader(VIDEOS / "cs10.mp4")
    assert "(BT.2020 with constant luminance) cannot be converted to RGB" in str(refusal.value)
    assert "cs10.mp4" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def disc() -> np.ndarray:
    """uint8 [64, 64, 4]: a red disc, half transparent to the right, and green hidden under full transparency."""
    y, x = np.mgrid[:64, :64]
    inside = (x - 32) ** 2 + (y - 32) ** 2 < 400
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[...] = (20, 160, 40, 0)
    picture[inside] = (220, 60, 30, 255)
    picture[inside & (x >= 32), 3] = 128
    return picture


@pytest.mark.parametrize(
    ("name", "codec", "kind", "options"),
    [
        ("a.mov", "qtrle", "argb", {}),
        ("b.mov", "png", "rgba", {}),
        ("c.mov", "prores_ks", "yuva444p10le", {"profile": "4444"}),
        ("d.mkv", "ffv1", "yuva420p", {}),
        ("e.avi", "utvideo", "gbrap", {}),
        ("f.webm", "libvpx-vp9", "yuva420p", {"crf": "5"}),
        ("g.webm", "libvpx", "yuva420p", {"auto-alt-ref": "0", "crf": "5"}),
    ],
)
def test_transparency_is_laid_over_white_as_in_pictures(
    tmp_path: Path, name: str, codec: str, kind: str, options: dict[str, str]
) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, kind
        for index in range(3):
            frame = av.VideoFrame.from_ndarray(disc(), format="rgba").reformat(format=kind)
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    Image.fromarray(disc()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png").astype(int)
    with VideoReader(tmp_path / name) as reader:
        frames = list(reader)
    assert len(frames) == 3
    for frame in frames:
        for y, x in ((2, 2), (32, 20), (32, 44), (60, 60)):
            assert np.abs(frame.picture[y, x] - picture[y, x]).max() <= 4, (y, x)


@pytest.mark.parametrize(
    ("codec", "options"),
    [("libvpx", {"auto-alt-ref": "0", "crf": "5"}), ("libvpx-vp9", {"crf": "5", "deadline": "realtime"})],
)
def test_frames_without_transparency_among_others_are_opaque_and_none_is_lost(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    with av.open(str(tmp_path / "whole.webm"), "w") as container:
        stream = container.add_stream(codec, rate=10, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuva420p"
        for index in range(6):
            frame = av.VideoFrame.from_ndarray(disc(), format="rgba").reformat(format="yuva420p")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    opaque = {0, 3}
    with av.open(str(tmp_path / "whole.webm")) as old, av.open(str(tmp_path / "a.webm"), "w") as new:
        added = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(packet for packet in old.demux(video=0) if packet.size):
            if number in opaque:
                bare = av.Packet(bytes(packet))
                bare.pts, bare.dts, bare.time_base = packet.pts, packet.dts, packet.time_base
                bare.is_keyframe = packet.is_keyframe
                packet = bare
            packet.stream = added
            new.mux(packet)
    with VideoReader(tmp_path / "a.webm") as reader:
        corners = [frame.picture[2, 2].astype(int) for frame in reader]
        # The transparency of the first frame was a key frame, and what refers to it is damaged.
        assert len(corners) == reader.frame_count == 6
    assert np.abs(corners[0] - (20, 160, 40)).max() <= 8
    assert np.abs(corners[3] - (20, 160, 40)).max() <= 8


def test_a_palette_with_a_transparent_colour_is_laid_over_white(tmp_path: Path) -> None:
    pictures = [Image.fromarray(disc()[..., :3]).quantize(8) for _ in range(3)]
    pictures[0].save(
        tmp_path / "a.gif",
        save_all=True,
        append_images=pictures[1:],
        transparency=pictures[0].getpixel((0, 0)),
        disposal=2,
        duration=100,
    )
    with VideoReader(tmp_path / "a.gif") as reader:
        first = next(reader).picture
    assert first[2, 2].tolist() == [255, 255, 255]
    assert np.abs(first[32, 20].astype(int) - (220, 60, 30)).max() <= 8
