"""What differs between the versions of PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from video_clips import write_clip

from dynast_deploy.media.pyav import Ratio, fraction, open_input
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter


class Rational:
    """A rational of PyAV 19: its zero denominator is allowed."""

    def __init__(self, numerator: int, denominator: int) -> None:
        self.numerator, self.denominator = numerator, denominator


@pytest.mark.parametrize("unset", [None, Rational(0, 1), Rational(1, 0), Rational(0, 0), Fraction(0)])
def test_a_rational_that_is_not_set_is_none(unset: Ratio | None) -> None:
    assert fraction(unset) is None


@pytest.mark.parametrize("ratio", [Rational(30000, 1001), Fraction(30000, 1001)])
def test_a_rational_of_any_version_becomes_a_fraction(ratio: Ratio) -> None:
    assert fraction(ratio) == Fraction(30000, 1001)
    assert type(fraction(ratio)) is Fraction


def test_what_the_reader_tells_are_fractions(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", times=[0, 3003, 6006])
    with VideoReader(tmp_path / "a.mp4") as reader:
        frame = next(reader)
        told = (reader.rate, reader.duration, reader.time_base, frame.time, frame.duration)
    assert [type(value) for value in told] == [Fraction] * 5


def test_metadata_that_is_not_utf8_is_harmless(tmp_path: Path) -> None:
    source, target = tmp_path / "in.mkv", tmp_path / "out.mp4"
    with av.open(str(source), "w") as container:
        container.metadata["title"] = "TITLE"
        video, sound = container.add_stream("libx264", rate=25), container.add_stream("aac", rate=48000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        video.metadata["title"] = sound.metadata["title"] = "TITLE"
        container.mux(
            video.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24"))
        )
        container.mux(video.encode(None))
        samples = av.AudioFrame.from_ndarray(np.zeros((2, 4096), np.float32), format="fltp", layout="stereo")
        samples.sample_rate = 48000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    stored = source.read_bytes()
    assert stored.count(b"TITLE") == 3
    source.write_bytes(stored.replace(b"TITLE", b"\xff\xfe\xe4\xf6\xfc"))
    with open_input(source) as container:
        assert len(container.metadata["title"]) == 5
    with VideoReader(source) as reader, VideoWriter(target, reader.size, reader) as writer:
        for frame in reader:
            writer.write(frame.picture, frame.time, frame.duration)
    with VideoReader(target) as reader:
        assert reader.has_audio
        assert len(list(reader)) == 1
