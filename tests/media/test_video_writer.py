"""Writing videos: the source's times and sound, and files that are whole or not there."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from rewritten_video import MILLISECOND, assert_same_times, pass_through, read, sound_after_picture
from video_clips import (
    AUDIO_RATE,
    TICK,
    corner_picture,
    jittered_times,
    sound_packets,
    sound_samples,
    write_clip,
)

from dynast_deploy.media.video_reader import Frame, VideoReader
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime.pipeline.threads import ReadAhead, WriteBehind
from dynast_deploy.size import Size

SIZE = Size(48, 64)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".m4v"])
def test_a_phone_clip_keeps_times_sound_and_the_way_up(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / f"out{suffix}"
    write_clip(source, rotation=90, sound_seconds=2.0)
    assert pass_through(source, target) is None
    assert_same_times(source, target)
    assert sound_packets(target) == sound_packets(source)
    first = read(target)[0].picture
    assert first.shape == (64, 48, 3)
    assert first[16, 12].argmax() == 1  # green is top left after turning
    assert first[48, 12].argmax() == 0
    with av.open(str(target)) as container:
        video = container.streams.video[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert next(container.decode(video)).rotation == 0


def test_times_in_mp4_are_exact_and_its_index_comes_first(tmp_path: Path) -> None:
    times = write_clip(tmp_path / "in.mp4")
    pass_through(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert [frame.time for frame in read(tmp_path / "out.mp4")] == times
    stored = (tmp_path / "out.mp4").read_bytes()
    assert stored.index(b"moov") < stored.index(b"mdat")


def test_the_last_picture_lasts_as_long_as_in_the_source(tmp_path: Path) -> None:
    frames = [(Fraction(0), Fraction(1, 30)), (Fraction(1, 30), Fraction(5, 2))]
    with VideoWriter(tmp_path / "a.mp4", Size(48, 64), 30) as writer:
        for time, duration in frames:
            writer.write(corner_picture(), time, duration)
    with VideoReader(tmp_path / "a.mp4") as reader:
        assert abs(reader.duration - Fraction(1, 30) - Fraction(5, 2)) <= MILLISECOND


@pytest.mark.parametrize("sound", ["aac", "libmp3lame"])
def test_a_transport_stream_that_starts_late_loses_one_offset_from_sound_and_picture(
    tmp_path: Path, sound: str
) -> None:
    source, target = tmp_path / "in.ts", tmp_path / "out.mp4"
    write_clip(source, sound=sound, start=Fraction(10))
    assert pass_through(source, target) is None
    assert_same_times(source, target)
    assert abs(read(target)[0].time) < Fraction(1, 20)
    assert abs(sound_after_picture(target) - sound_after_picture(source)) <= 0.001
    before, after = sound_samples(source)[1], sound_samples(target)[1]
    length = min(before.shape[1], after.shape[1])
    assert abs(before.shape[1] - after.shape[1]) <= 1152
    np.testing.assert_allclose(after[:, 4096 : length - 4096], before[:, 4096 : length - 4096], atol=1e-4)


def test_a_video_stopped_early_is_playable_and_its_sound_ends_with_the_picture(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(source, times=jittered_times(60))
    pass_through(source, target, stop_after=15)
    frames = read(target)
    assert len(frames) == 15
    end = float(frames[-1].time + frames[-1].duration)
    assert abs(sound_samples(target)[1].shape[1] / AUDIO_RATE - end) < 0.05


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_saturated_colours_survive_and_are_tagged_bt709(tmp_path: Path, suffix: str) -> None:
    colours = [
        (255, 0, 0),
        (0, 255, 0),
        (0, 0, 255),
        (255, 255, 0),
        (0, 255, 255),
        (255, 0, 255),
        (255,) * 3,
        (0,) * 3,
    ]
    picture = np.repeat(np.array(colours, np.uint8)[None], 64, axis=0).repeat(32, axis=1)
    target = tmp_path / f"a{suffix}"
    with VideoWriter(target, Size(64, 256), 25) as writer:
        for _ in range(3):
            writer.write(picture)
    back = read(target)[0].picture
    for index, colour in enumerate(colours):
        patch = back[16:48, index * 32 + 8 : index * 32 + 24].astype(int)
        assert np.abs(patch - colour).max() <= 5, colour
    with av.open(str(target)) as container:
        context = container.streams.video[0].codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)
        assert context.color_range == 1
        luma = next(container.decode(video=0)).to_ndarray()[32, [16, 48, 80]]
    np.testing.assert_allclose(luma.astype(int), [63, 173, 32], atol=2)  # BT.709, limited range


@pytest.mark.parametrize("size", [Size(1, 1), Size(47, 63), Size(2, 2)])
@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path: Path, size: Size, suffix: str) -> None:
    height, width = size
    picture = np.full((height, width, 3), (30, 200, 90), np.uint8)
    with VideoWriter(tmp_path / f"a{suffix}", size, Fraction(30000, 1001)) as writer:
        writer.write(picture)
    (frame,) = read(tmp_path / f"a{suffix}")
    assert frame.picture.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(frame.picture.astype(int) - (30, 200, 90)).max() <= 6


def test_pictures_without_a_source_follow_at_an_exact_even_rate(tmp_path: Path) -> None:
    rate = Fraction(24000, 1001)
    with VideoWriter(tmp_path / "a.mp4", Size(48, 64), rate) as writer:
        for index in range(30):
            writer.write(corner_picture(index=index))
    assert [frame.time for frame in read(tmp_path / "a.mp4")] == [index / rate for index in range(30)]


def test_a_source_without_sound_gives_a_video_without_sound(tmp_path: Path) -> None:
    write_clip(tmp_path / "in.mp4", times=[0, 3003], sound=None)
    assert pass_through(tmp_path / "in.mp4", tmp_path / "out.mp4") is None
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


def test_reading_and_writing_work_in_threads(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    times = write_clip(source)
    with (
        VideoReader(source) as reader,
        VideoWriter(target, reader.size, reader) as writer,
        ReadAhead(reader, depth=4) as frames,
        WriteBehind[Frame](
            lambda frame: writer.write(frame.picture, frame.time, frame.duration), depth=4
        ) as output,
    ):
        for frame in frames:
            output.put(frame)
    assert [frame.time for frame in read(target)] == times


def test_two_times_within_a_tick_stay_two_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", Size(48, 64), 25) as writer:
        for time in (Fraction(0), TICK / 1000, Fraction(1, 25)):
            writer.write(corner_picture(), time)
    assert len(read(tmp_path / "a.mp4")) == 3


def test_a_joined_transport_stream_keeps_sound_and_picture_together(tmp_path: Path) -> None:
    for name, start in (("1.ts", Fraction(100)), ("2.ts", Fraction(0))):
        write_clip(tmp_path / name, start=start)
    (tmp_path / "in.ts").write_bytes((tmp_path / "1.ts").read_bytes() + (tmp_path / "2.ts").read_bytes())
    pass_through(tmp_path / "in.ts", tmp_path / "out.mp4")
    frames = read(tmp_path / "out.mp4")
    assert len(frames) == 90
    pictures_end = float(frames[-1].time + frames[-1].duration)
    start, samples = sound_samples(tmp_path / "out.mp4")
    assert abs(start + samples.shape[1] / AUDIO_RATE - pictures_end) < 0.15
    assert abs(pictures_end - 3) < 0.15


@pytest.mark.parametrize(("name", "suffix"), [("in.ts", ".mp4"), ("in.mkv", ".webm"), ("in.mp4", ".mkv")])
def test_random_damage_in_sound_and_picture_still_gives_a_whole_video(
    tmp_path: Path, name: str, suffix: str
) -> None:
    write_clip(tmp_path / name, times=jittered_times(60))
    whole = (tmp_path / name).read_bytes()
    rng = np.random.default_rng(11)
    for _ in range(3):
        damaged = bytearray(whole)
        for position in rng.integers(len(whole) // 4, len(whole) * 3 // 4, 12):
            damaged[position : position + 30] = rng.bytes(30)
        (tmp_path / name).write_bytes(damaged)
        pass_through(tmp_path / name, tmp_path / f"out{suffix}")
        assert len(read(tmp_path / f"out{suffix}")) == len(read(tmp_path / name))
