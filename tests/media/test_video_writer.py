"""Writing videos: the source's times and sound, and files that are whole or not there."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from checkout import ROOT
from video_clips import (
    AUDIO_RATE,
    TICK,
    corner_picture,
    jittered_times,
    sound_packets,
    sound_samples,
    write_clip,
)

from dynast_deploy.errors import DynastError
from dynast_deploy.media.video_reader import Frame, VideoReader
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime.pipeline.threads import ReadAhead, WriteBehind
from dynast_deploy.size import Size

MILLISECOND = Fraction(1, 1000)
SIZE = Size(48, 64)


def read(path: Path) -> list[Frame]:
    with VideoReader(path) as reader:
        return list(reader)


def pass_through(source: Path, target: Path, *, stop_after: int | None = None) -> str | None:
    """Write every frame of `source` into `target`; returns the note on what was not copied."""
    with VideoReader(source) as reader, VideoWriter(target, reader.size, reader) as writer:
        for frame in reader:
            writer.write(frame.picture, frame.time, frame.duration)
            if frame.index + 1 == stop_after:
                writer.finish(cut_sound=True)
                break
        return writer.note


def assert_same_times(source: Path, target: Path) -> None:
    before, after = read(source), read(target)
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        assert abs((new.time - after[0].time) - (old.time - before[0].time)) <= MILLISECOND
    assert abs(before[-1].duration - after[-1].duration) <= MILLISECOND


def sound_after_picture(path: Path) -> float:
    """Seconds from the first picture to the first sample."""
    return sound_samples(path)[0] - float(read(path)[0].time)


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


def test_webm_keeps_opus_and_gives_vp9(tmp_path: Path) -> None:
    source, target = tmp_path / "in.webm", tmp_path / "out.webm"
    write_clip(source, codec="libvpx-vp9", sound="libopus")
    assert pass_through(source, target) is None
    assert_same_times(source, target)
    assert sound_packets(target) == sound_packets(source)
    assert abs(sound_after_picture(target) - sound_after_picture(source)) <= 0.001
    with av.open(str(target)) as container:
        assert container.streams.video[0].codec_context.name.endswith("vp9")


def test_opus_from_webm_is_copied_into_mp4(tmp_path: Path) -> None:
    source, target = tmp_path / "in.webm", tmp_path / "out.mp4"
    write_clip(source, codec="libvpx-vp9", sound="libopus")
    assert pass_through(source, target) is None
    assert sound_packets(target) == sound_packets(source)


@pytest.mark.parametrize(
    ("name", "sound", "suffix"),
    [("in.mkv", "pcm_s16le", ".mp4"), ("in.mp4", "aac", ".webm"), ("in.mkv", "pcm_s16le", ".webm")],
)
def test_sound_that_the_container_refuses_is_encoded_anew_without_drift(
    tmp_path: Path, name: str, sound: str, suffix: str
) -> None:
    source, target = tmp_path / name, tmp_path / f"out{suffix}"
    write_clip(source, sound=sound, sound_seconds=2.0)
    note = pass_through(source, target)
    assert note is not None
    assert "encoded anew" in note
    assert_same_times(source, target)
    (start, before), (new_start, after) = sound_samples(source), sound_samples(target)
    shift = round((new_start - float(read(target)[0].time) - start) * AUDIO_RATE)
    assert 0 <= after.shape[1] + shift - before.shape[1] <= 2048  # an encoder pads its last block
    for part in (slice(4800, 24000), slice(72000, 91200)):  # the phase of a tone shows a shift of one sample
        shifted = after[0, part.start - shift : part.stop - shift]
        assert np.abs(shifted - before[0, part]).max() < 0.12


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


@pytest.mark.parametrize("sound", ["libmp3lame", "flac", "libopus"])
def test_sound_that_browsers_play_is_copied_into_mp4(tmp_path: Path, sound: str) -> None:
    write_clip(tmp_path / "in.mkv", times=[0, 3003, 6006], sound=sound, sound_seconds=0.5)
    assert pass_through(tmp_path / "in.mkv", tmp_path / "out.mp4") is None
    assert sound_packets(tmp_path / "out.mp4") == sound_packets(tmp_path / "in.mkv")


def test_silence_stands_in_for_sound_that_is_missing(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    write_clip(tmp_path / "whole.mkv", sound="pcm_s16le", sound_seconds=2.0)
    with av.open(str(tmp_path / "whole.mkv")) as whole, av.open(str(source), "w") as container:
        streams = {stream.index: container.add_stream_from_template(stream) for stream in whole.streams}
        for packet in whole.demux():
            gone = packet.stream.type == "audio" and packet.size and 0.5 <= packet.pts * packet.time_base < 1
            if packet.size and not gone:
                packet.stream = streams[packet.stream_index]
                container.mux(packet)
    pass_through(source, target)
    _, samples = sound_samples(target)
    loudness = np.abs(samples[0, : 2 * AUDIO_RATE]).reshape(20, -1).max(axis=1)
    assert (loudness[[0, 1, 2, 3, 11, 12, 18]] > 0.4).all()
    assert (loudness[6:9] < 0.05).all()


def test_sound_and_pictures_are_interleaved(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mkv"
    write_clip(source, times=jittered_times(300))
    pass_through(source, target)
    latest = {"audio": Fraction(0), "video": Fraction(0)}
    with av.open(str(target)) as container:
        for packet in container.demux():
            if packet.size:
                latest[packet.stream.type] = packet.pts * packet.time_base
                assert abs(latest["audio"] - latest["video"]) < 1


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


def test_an_exception_leaves_the_earlier_file_and_nothing_else(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(source)
    target.write_bytes(b"earlier")
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        VideoReader(source) as reader,
        VideoWriter(target, reader.size, reader) as writer,
    ):
        for frame in reader:
            writer.write(frame.picture, frame.time, frame.duration)
            assert target.read_bytes() == b"earlier"
            if frame.index == 20:
                raise KeyboardInterrupt
    assert target.read_bytes() == b"earlier"
    assert sorted(os.listdir(tmp_path)) == ["in.mp4", "out.mp4"]


def test_an_earlier_file_is_replaced_only_on_finish(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"earlier")
    with VideoWriter(target, Size(48, 64), 25) as writer:
        writer.write(corner_picture())
        assert target.read_bytes() == b"earlier"
    assert len(read(target)) == 1
    assert os.listdir(tmp_path) == ["out.mp4"]


_FULL = """
import resource, sys
import numpy as np
from pathlib import Path
from dynast_deploy.errors import DynastError
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.size import Size
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
rng = np.random.default_rng(0)
try:
    with VideoWriter(Path(sys.argv[1]), Size(128, 128), 25) as writer:
        for _ in range(int(sys.argv[2])):
            writer.write(rng.integers(0, 255, (128, 128, 3), np.uint8))
except DynastError as error:
    print(error)
"""


@pytest.mark.parametrize("frames", [60, 6])  # fails in the middle; fails only while the file is completed
@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_place_that_takes_no_more_bytes_is_one_error_and_leaves_the_earlier_file(
    tmp_path: Path, suffix: str, frames: int
) -> None:
    target = tmp_path / f"out{suffix}"
    target.write_bytes(b"earlier")
    done = subprocess.run(
        [sys.executable, "-c", _FULL, str(target), str(frames)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    assert f"{target} cannot be written: the file is larger than this system allows" in done.stdout
    assert os.listdir(tmp_path) == [target.name]
    assert target.read_bytes() == b"earlier"


def refusal(path: Path, size: Size = SIZE) -> str:
    with pytest.raises(DynastError) as caught:
        VideoWriter(path, size, 25)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    assert ".mp4, .m4v, .mov, .mkv, .webm" in refusal(tmp_path / "a.xyz")
    assert "no folder" in refusal(tmp_path / "none" / "a.mp4")
    (tmp_path / "folder.mp4").mkdir()
    assert "it is a folder" in refusal(tmp_path / "folder.mp4")
    assert "sides go from 1" in refusal(tmp_path / "a.mp4", Size(48, 0))
    assert "sides go from 1" in refusal(tmp_path / "a.mp4", Size(48, 20000))
    assert os.listdir(tmp_path) == ["folder.mp4"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write anywhere"
)
def test_a_folder_that_cannot_be_written_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "permission denied" in refusal(tmp_path / "a.mp4")


def test_the_video_being_read_is_never_overwritten(tmp_path: Path) -> None:
    write_clip(tmp_path / "in.mp4", times=[0, 3003])
    before = (tmp_path / "in.mp4").read_bytes()
    with (
        VideoReader(tmp_path / "in.mp4") as reader,
        pytest.raises(DynastError, match="is the video being read"),
    ):
        VideoWriter(tmp_path / "in.mp4", reader.size, reader)
    assert (tmp_path / "in.mp4").read_bytes() == before


def test_a_video_without_pictures_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        pytest.raises(DynastError, match="not one picture"),
        VideoWriter(tmp_path / "a.mp4", Size(48, 64), 25),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_wrong_pictures_and_times_are_bugs(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", Size(48, 64), 25)
    with pytest.raises(ValueError, match="expected uint8"):
        writer.write(np.zeros((64, 48, 3), np.uint8))
    writer.write(corner_picture(), Fraction(1))
    with pytest.raises(ValueError, match="does not come after"):
        writer.write(corner_picture(), Fraction(1))
    writer.finish()
    writer.finish()
    with pytest.raises(RuntimeError, match="is finished"):
        writer.write(corner_picture(), Fraction(2))


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


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_damaged_sound_header_does_not_cost_the_pictures(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "in.webm", tmp_path / f"out{suffix}"
    write_clip(source, codec="libvpx-vp9", sound="libopus")
    stored = source.read_bytes()
    assert stored.count(b"OpusHead") == 1
    source.write_bytes(stored.replace(b"OpusHead", b"OpusHurt"))
    pass_through(source, target)
    assert_same_times(source, target)


def test_ctrl_c_in_a_threaded_loop_leaves_a_playable_file(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(source)
    with VideoReader(source) as reader, VideoWriter(target, reader.size, reader) as writer:
        try:
            with (
                ReadAhead(reader, depth=4) as frames,
                WriteBehind[Frame](
                    lambda frame: writer.write(frame.picture, frame.time, frame.duration), depth=1
                ) as output,
            ):
                for frame in frames:
                    output.put(frame)
                    if frame.index == 20:
                        raise KeyboardInterrupt
        except KeyboardInterrupt:
            writer.finish(cut_sound=True)
    assert 15 <= len(read(target)) <= 21
    assert sorted(os.listdir(tmp_path)) == ["in.mp4", "out.mp4"]
