"""What a file holds: as many frames as are decoded, at the rate at which they come."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from checkout import DATA
from video_clips import corner_picture, write_clip

from dynast_deploy.media.video_contents import Contents, shows_nothing, video_contents
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter

VIDEOS = DATA / "videos"


def moving(path: Path, codec: str, *, frames: int = 40, rate: int = 25, **options: str) -> Path:
    """A clip of a moving square on noise that repeats, which makes encoders use what they have."""
    noise = np.random.default_rng(0).integers(0, 60, (64, 96, 3), np.uint8)
    muxing = {"movflags": "frag_keyframe+empty_moov"} if path.stem == "fragmented" else {}
    with av.open(str(path), "w", options=muxing) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if codec == "mpeg4":
            stream.codec_context.max_b_frames = 2
        stream.codec_context.gop_size = 12
        for index in range(frames):
            picture = noise.copy()
            picture[10:40, index : index + 30] = (200, 120, 40)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def contents(path: Path) -> Contents:
    """What is told of the first video stream, which decoding must bear out."""
    with VideoReader(path) as reader:
        told = video_contents(path, reader._stream.index)
        assert (reader.frame_count, reader.counts_frames, reader.rate) == (
            told.frames,
            told.exact,
            told.rate,
        )
        decoded = len(list(reader))
        assert reader.damaged == 0
    if told.exact:
        assert decoded == told.frames
    else:
        assert abs(decoded - told.frames) <= 3
    return told


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {"bf": "3", "x264-params": "keyint=12"}),
        ("a.mkv", "libx264", {"bf": "3", "x264-params": "keyint=12:open-gop=1"}),
        ("a.flv", "libx264", {"bf": "2"}),
        ("fragmented.mp4", "libx264", {"bf": "2"}),
        ("a.mov", "libx265", {"x265-params": "keyint=12:log-level=none"}),
        ("a.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good"}),
        ("b.webm", "libvpx-vp9", {"auto-alt-ref": "1", "lag-in-frames": "16", "deadline": "good"}),
        ("c.webm", "libsvtav1", {"preset": "12", "svtav1-params": "lp=1"}),
        ("a.mjpeg.avi", "mjpeg", {}),
    ],
)
def test_as_many_frames_are_counted_as_are_decoded(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    told = contents(moving(tmp_path / name, codec, **options))
    assert told == Contents(frames=40, exact=True, rate=Fraction(25), missing=0, has_alpha=False)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "mpeg4"),
        ("a.ts", "libx264"),
        ("a.ts", "mpeg2video"),
        ("a.mpg", "mpeg2video"),
        ("a.h264", "libx264"),
    ],
)
def test_where_packets_need_not_be_frames_their_number_is_not_called_exact(
    tmp_path: Path, name: str, codec: str
) -> None:
    told = contents(moving(tmp_path / name, codec))
    assert not told.exact
    assert told.rate == 25
    assert told.missing == 0


def test_vp8_frames_that_are_not_shown_are_not_counted(tmp_path: Path) -> None:
    whole = moving(tmp_path / "a.webm", "libvpx", **{"auto-alt-ref": "0"})
    with av.open(str(whole)) as old, av.open(str(tmp_path / "b.webm"), "w") as new:
        added = new.add_stream_from_template(old.streams.video[0])
        for index, packet in enumerate(old.demux(video=0)):
            if packet.size:
                data = bytearray(bytes(packet))
                if index in (5, 20, 21):
                    data[0] &= ~0x10  # show_frame, RFC 6386, 9.1
                copied = av.Packet(bytes(data))
                copied.pts, copied.dts, copied.time_base = packet.pts, packet.dts, packet.time_base
                copied.stream = added
                copied.is_keyframe = packet.is_keyframe
                new.mux(copied)
    assert contents(tmp_path / "b.webm").frames == 37


@pytest.mark.parametrize(
    ("head", "is_shown"),
    [
        (0b10_0_0_0_0_1_0, True),  # a key frame
        (0b10_0_0_0_1_1_0, True),  # a frame that refers to others
        (0b10_0_0_0_1_0_0, False),  # the same, not shown
        (0b10_0_0_1_0_0_0, True),  # an earlier frame is shown
        (0b10_1_0_0_1_0_0, False),  # not shown, profile 1
    ],
)
def test_vp9_frames_that_are_not_shown_are_told_by_their_headers(head: int, is_shown: bool) -> None:
    assert shows_nothing(av.Packet(bytes([head, 0, 0, 0x10])), "vp9") is not is_shown
    superframe = bytes([head, 0, 0, 0xC1])
    assert not shows_nothing(av.Packet(superframe), "vp9")


def cut(source: Path, target: Path, first: int) -> Path:
    """Copy the packets from number `first` on."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        added = new.add_stream_from_template(old.streams.video[0])
        for packet in [packet for packet in old.demux(video=0) if packet.size][first:]:
            packet.stream = added
            new.mux(packet)
    return target


def test_a_cut_before_the_first_key_frame_is_not_called_exact(tmp_path: Path) -> None:
    whole = moving(tmp_path / "a.mkv", "libx264", bf="2")
    with VideoReader(cut(whole, tmp_path / "b.mkv", 10)) as reader:
        assert not reader.counts_frames


def test_frames_that_refer_to_ones_cut_away_are_not_called_exact(tmp_path: Path) -> None:
    options = "keyint=12:open-gop=1:bframes=3:b-adapt=0:log-level=none"
    whole = moving(tmp_path / "a.mkv", "libx265", **{"x265-params": options})
    with av.open(str(whole)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    second = [number for number, packet in enumerate(packets) if packet.is_keyframe][1]
    assert packets[second + 1].pts < packets[second].pts
    told = contents(cut(whole, tmp_path / "b.mkv", second))
    assert not told.exact
    with VideoReader(tmp_path / "b.mkv") as reader:
        assert len(list(reader)) < told.frames


def test_frames_that_an_avi_dropped_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in (0, 1, 2, 6, 7, 12):
            frame = av.VideoFrame.from_ndarray(corner_picture(index=index), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 13
    assert contents(path).frames == 6


def test_frames_that_an_edit_list_hides_are_not_counted() -> None:
    with av.open(str(VIDEOS / "trim.mp4")) as container:
        assert container.streams.video[0].frames == 50
    told = contents(VIDEOS / "trim.mp4")
    assert told == Contents(frames=37, exact=True, rate=Fraction(25), missing=0, has_alpha=False)


def test_a_browsers_recording_is_counted_and_timed_by_its_frames() -> None:
    with av.open(str(VIDEOS / "mr_default.webm")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.guessed_rate) == (0, 120)
    told = contents(VIDEOS / "mr_default.webm")
    assert told.frames == 11
    assert told.exact
    assert told.missing == 0
    assert 4 < told.rate < 6


def test_a_browsers_recording_of_a_camera_has_the_frames_that_it_holds() -> None:
    told = contents(VIDEOS / "cam_vp8.webm")
    assert (told.frames, told.exact, told.missing) == (23, True, 0)
    assert 12 < told.rate < 13


@pytest.mark.parametrize("stated", [1000, 120, 5])
def test_a_rate_that_the_frames_do_not_bear_out_never_reaches_the_encoder(
    tmp_path: Path, stated: int
) -> None:
    source, target = tmp_path / "a.mkv", tmp_path / "b.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=stated)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index in range(20):
            frame = av.VideoFrame.from_ndarray(corner_picture(240, 320, index), format="rgb24")
            frame.pts, frame.time_base = index * 40, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(str(source)) as container:
        assert container.streams.video[0].average_rate == stated
    with VideoReader(source) as reader, VideoWriter(target, reader.size, reader) as writer:
        assert reader.rate == 25
        for frame in reader:
            writer.write(frame.picture, frame.time, frame.duration)
    with av.open(str(target)) as container:
        stream = container.streams.video[0]
        assert 20 < stream.average_rate < 27  # the last frame lasts as long as the source says
        assert stream.codec_context.extradata[3] <= 13  # AVCLevelIndication, ISO/IEC 14496-15, 5.3.3


def test_a_stated_rate_that_is_borne_out_stays_exact(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", times=[index * 3003 for index in range(30)], sound=None)
    assert contents(tmp_path / "a.mkv").rate == Fraction(30000, 1001)


@pytest.mark.parametrize("second", [0, 10, 100])
def test_the_rate_of_joined_transport_streams_is_that_of_one(tmp_path: Path, second: int) -> None:
    for name, start in (("1.ts", 10), ("2.ts", second)):
        write_clip(tmp_path / name, times=[index * 3003 for index in range(30)], start=Fraction(start))
    (tmp_path / "a.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    told = contents(tmp_path / "a.ts")
    assert (told.frames, told.rate) == (60, Fraction(30000, 1001))


def test_one_frame_has_no_rate_of_its_own(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", times=[0], sound=None)
    told = contents(tmp_path / "a.mp4")
    assert told.frames == 1
    assert told.exact


def test_a_file_cut_short_says_how_much_is_missing_and_is_not_called_exact(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mkv", times=[index * 3003 for index in range(60)], sound="aac")
    whole = (tmp_path / "a.mkv").read_bytes()
    (tmp_path / "a.mkv").write_bytes(whole[: len(whole) // 2])
    with VideoReader(tmp_path / "a.mkv") as reader:
        assert not reader.counts_frames
        assert 0 < reader.frame_count < 60
        assert abs(reader.frame_count + reader.missing - 60) <= 2


@pytest.mark.parametrize("name", ["a.flv", "a.mkv"])
def test_a_file_that_begins_late_misses_nothing_at_its_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_clip(path, times=[index * 3003 for index in range(30)], start=Fraction(50), sound=None)
    # Many writers of Matroska state the length of the whole file alone.
    path.write_bytes(path.read_bytes().replace(b"DURATION", b"UNTITLED"))
    told = contents(path)
    assert (told.frames, told.exact, told.missing) == (30, True, 0)
