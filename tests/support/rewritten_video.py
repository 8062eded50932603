"""A video written again, and its times compared with the source's."""

from fractions import Fraction
from pathlib import Path

from video_clips import (
    sound_samples,
)

from dynast_deploy.media.video_reader import Frame, VideoReader
from dynast_deploy.media.video_writer import VideoWriter

MILLISECOND = Fraction(1, 1000)


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
