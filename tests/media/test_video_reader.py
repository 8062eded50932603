"""Reading videos: times, orientation, colours, and files that are not whole."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from video_clips import TICK, corner_picture, jittered_times, write_clip

from dynast_deploy.errors import DynastError
from dynast_deploy.media.video_reader import Frame, VideoReader
from dynast_deploy.size import Size

EVEN = [index * 3003 for index in range(60)]


def read(path: Path) -> tuple[VideoReader, list[Frame]]:
    with VideoReader(path) as reader:
        return reader, list(reader)


def corners(picture: np.ndarray) -> list[str]:
    """Names of the colours at top left, top right, bottom left, bottom right."""
    height, width = picture.shape[:2]
    names = []
    for y in (height // 4, height * 3 // 4):
        for x in (width // 4, width * 3 // 4):
            pixel = picture[y, x].astype(int)
            names.append("grey" if np.ptp(pixel) < 12 else "rgb"[int(pixel.argmax())])
    return names


def test_every_time_of_a_variable_rate_clip_is_exact(tmp_path: Path) -> None:
    times = write_clip(tmp_path / "a.mp4")
    reader, frames = read(tmp_path / "a.mp4")
    assert [frame.time for frame in frames] == times
    assert [frame.index for frame in frames] == list(range(45))
    assert frames[-1].duration == 3003 * TICK
    assert reader.frame_count == 45
    assert reader.has_audio
    assert reader.warning is None
    assert abs(reader.rate - 30) < 1
    assert abs(reader.duration - times[-1] - 3003 * TICK) < Fraction(1, 50)


@pytest.mark.parametrize(
    ("rotation", "expected"),
    [
        (0, ["r", "g", "b", "grey"]),
        (90, ["g", "grey", "r", "b"]),
        (180, ["grey", "b", "g", "r"]),
        (-90, ["b", "r", "grey", "g"]),
    ],
)
def test_rotated_clips_are_read_upright(tmp_path: Path, rotation: int, expected: list[str]) -> None:
    write_clip(tmp_path / "a.mp4", times=EVEN[:3], rotation=rotation, sound=None)
    reader, frames = read(tmp_path / "a.mp4")
    assert reader.size == (Size(64, 48) if abs(rotation) == 90 else Size(48, 64))
    for frame in frames:
        assert frame.picture.shape == (*reader.size, 3)
        assert frame.picture.dtype == np.uint8
        assert frame.picture.flags.c_contiguous
        assert corners(frame.picture) == expected


def test_pixels_that_are_not_square_are_widened(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", times=EVEN[:2], pixel_aspect=Fraction(3, 2), sound=None, rotation=90)
    reader, frames = read(tmp_path / "a.mp4")
    assert reader.size == Size(96, 48)
    assert corners(frames[0].picture) == ["g", "grey", "r", "b"]


@pytest.mark.parametrize(
    ("name", "codec", "sound"),
    [("a.webm", "libvpx-vp9", "libopus"), ("a.mkv", "libx264", "pcm_s16le"), ("a.ts", "libx264", "aac")],
)
def test_other_containers_keep_times_within_half_a_millisecond(
    tmp_path: Path, name: str, codec: str, sound: str
) -> None:
    start = Fraction(10) if name == "a.ts" else Fraction(0)
    times = write_clip(tmp_path / name, codec=codec, sound=sound, start=start)
    reader, frames = read(tmp_path / name)
    assert max(abs(frame.time - time) for frame, time in zip(frames, times, strict=True)) <= Fraction(1, 2000)
    assert reader.warning is None
    assert reader.has_audio


def test_the_matrix_and_range_of_the_file_are_followed(tmp_path: Path) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:] = (200, 40, 90)
    for matrix, code, full in (
        ("ITU709", 1, False),
        ("ITU601", 6, False),
        ("ITU709", 1, True),
        ("ITU601", 2, False),
    ):
        with av.open(str(tmp_path / "a.mkv"), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            stream.codec_context.colorspace = code
            stream.codec_context.color_range = 2 if full else 1
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=matrix, dst_color_range="JPEG" if full else "MPEG"
            )
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        _, frames = read(tmp_path / "a.mkv")
        assert np.abs(frames[0].picture.astype(int) - picture).max() <= 3, (matrix, code, full)


def test_a_stream_that_changes_its_size_keeps_that_of_the_first_frame(tmp_path: Path) -> None:
    for name, height, width in (("1.ts", 48, 64), ("2.ts", 96, 128)):
        start = Fraction(0 if name == "1.ts" else 2)
        write_clip(tmp_path / name, times=EVEN[:20], height=height, width=width, sound=None, start=start)
    (tmp_path / "a.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    _, frames = read(tmp_path / "a.ts")
    assert {frame.picture.shape for frame in frames} == {(48, 64, 3)}
    assert corners(frames[-1].picture) == ["r", "g", "b", "grey"]
    assert len(frames) == 40


def test_times_go_on_where_the_clock_of_a_joined_stream_starts_again(tmp_path: Path) -> None:
    write_clip(tmp_path / "1.ts", times=EVEN[:30], start=Fraction(100), sound=None)
    write_clip(tmp_path / "2.ts", times=EVEN[:30], sound=None)
    (tmp_path / "a.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    _, frames = read(tmp_path / "a.ts")
    steps = [later.time - earlier.time for earlier, later in pairwise(frames)]
    assert len(frames) == 60
    assert all(abs(step - 3003 * TICK) < Fraction(1, 50) for step in steps)


def test_a_single_frame_is_a_video(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", times=[0], sound=None)
    reader, frames = read(tmp_path / "a.mp4")
    assert len(frames) == 1
    assert not reader.has_audio
    assert reader.warning is None


def test_a_cover_picture_is_not_taken_for_the_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        sound = container.add_stream("aac", rate=48000)
        picture = av.VideoFrame.from_ndarray(corner_picture(32, 32), format="rgb24").reformat(
            format="yuvj420p"
        )
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((2, 4096), np.float32), format="fltp", layout="stereo")
        samples.sample_rate = 48000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(DynastError, match="has no video stream"):
        VideoReader(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "faststart.mp4"])
def test_a_video_that_ends_before_its_stated_length_is_reported(tmp_path: Path, name: str) -> None:
    webm = name.endswith("webm")
    write_clip(
        tmp_path / name,
        times=EVEN,
        codec="libvpx-vp9" if webm else "libx264",
        sound="libopus" if webm else "aac",
        options={"movflags": "faststart"} if name.endswith("mp4") else None,
    )
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: int(len(whole) * 0.6)])
    reader, frames = read(tmp_path / name)
    assert 5 < len(frames) < 55
    assert abs(len(frames) + reader.missing - 60) <= 2
    assert reader.warning is not None
    assert f"ends about {reader.missing} frames before its stated length" in reader.warning


def test_a_transport_stream_cut_short_is_read_to_its_end(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.ts", times=EVEN)
    whole = (tmp_path / "a.ts").read_bytes()
    (tmp_path / "a.ts").write_bytes(whole[: int(len(whole) * 0.6)])
    _, frames = read(tmp_path / "a.ts")
    assert 5 < len(frames) < 55


def test_damaged_packets_are_skipped_and_counted(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", times=EVEN, sound=None, key_every=1)
    with av.open(str(tmp_path / "a.mkv")) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(source.demux(video=0)):
            if not packet.size:
                continue
            if index in (20, 40):
                broken = av.Packet(b"\xff" * packet.size)
                broken.pts, broken.dts, broken.time_base = packet.pts, packet.dts, packet.time_base
                packet = broken
            packet.stream = stream
            target.mux(packet)
    reader, frames = read(tmp_path / "b.mkv")
    assert reader.damaged == 2
    assert len(frames) == 58
    assert reader.warning == f"{tmp_path / 'b.mkv'}: 2 damaged packets skipped"


def test_frames_that_a_decoder_gives_up_without_an_error_are_counted_as_damaged(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", times=EVEN, sound=None, key_every=1)
    with av.open(str(tmp_path / "a.mkv")) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for index, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            if index in (20, 40):
                empty = av.Packet(
                    b"\0\0\0\2\x09\x30"
                )  # an access unit delimiter alone (ITU-T H.264, 7.3.2.4)
                empty.pts, empty.dts, empty.time_base = packet.pts, packet.dts, packet.time_base
                packet = empty
            packet.stream = stream
            target.mux(packet)
    reader, frames = read(tmp_path / "b.mkv")
    assert len(frames) == 58
    assert reader.warning == f"{tmp_path / 'b.mkv'}: 2 damaged packets skipped"


@pytest.mark.parametrize("name", ["a.ts", "a.mp4", "a.mkv"])
def test_random_damage_never_raises_and_keeps_times_going_forward(tmp_path: Path, name: str) -> None:
    write_clip(tmp_path / name, times=EVEN)
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(7)
    for _ in range(6):
        damaged = bytearray(whole)
        for position in rng.integers(len(whole) // 4, len(whole) * 3 // 4, 12):
            damaged[position : position + 30] = rng.bytes(30)
        (tmp_path / name).write_bytes(damaged)
        _, frames = read(tmp_path / name)
        assert len(frames) >= 10
        assert all(a.time < b.time for a, b in pairwise(frames))


def test_reading_can_stop_early_and_close_twice(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", times=jittered_times(20))
    reader = VideoReader(tmp_path / "a.mp4")
    next(reader)
    reader.close()
    reader.close()
    assert list(reader) == []
    assert reader.missing == 0
    assert reader.size == Size(48, 64)
