"""A written video is whole or not there, and what cannot be written is refused."""

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from rewritten_video import read
from video_clips import (
    corner_picture,
    write_clip,
)

from dynast_deploy.errors import DynastError
from dynast_deploy.media.video_reader import Frame, VideoReader
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.runtime.pipeline.threads import ReadAhead, WriteBehind
from dynast_deploy.size import Size

SIZE = Size(48, 64)


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
