"""Sound of the source in a written video: copied where the container takes it, else re-encoded."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from rewritten_video import assert_same_times, pass_through, read, sound_after_picture
from video_clips import (
    AUDIO_RATE,
    jittered_times,
    sound_packets,
    sound_samples,
    write_clip,
)


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
    assert "re-encoded" in note
    assert_same_times(source, target)
    (start, before), (new_start, after) = sound_samples(source), sound_samples(target)
    shift = round((new_start - float(read(target)[0].time) - start) * AUDIO_RATE)
    assert 0 <= after.shape[1] + shift - before.shape[1] <= 2048  # an encoder pads its last block
    for part in (slice(4800, 24000), slice(72000, 91200)):  # the phase of a tone shows a shift of one sample
        shifted = after[0, part.start - shift : part.stop - shift]
        assert np.abs(shifted - before[0, part]).max() < 0.12


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


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_damaged_sound_header_does_not_cost_the_pictures(tmp_path: Path, suffix: str) -> None:
    source, target = tmp_path / "in.webm", tmp_path / f"out{suffix}"
    write_clip(source, codec="libvpx-vp9", sound="libopus")
    stored = source.read_bytes()
    assert stored.count(b"OpusHead") == 1
    source.write_bytes(stored.replace(b"OpusHead", b"OpusHurt"))
    pass_through(source, target)
    assert_same_times(source, target)
