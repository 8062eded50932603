"""What is not a video is refused in one line."""

import errno
import os
from pathlib import Path

import av
import numpy as np
import pytest
from run_command import frames_of
from video_clips import write_clip

from dynast_deploy.errors import DynastError
from dynast_deploy.media.video_reader import VideoReader

EVEN = [index * 3003 for index in range(60)]


def refusal(path: Path) -> str:
    with pytest.raises(DynastError) as caught:
        VideoReader(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_what_is_no_video_file_is_refused_in_one_line(tmp_path: Path) -> None:
    assert "no such video" in refusal(tmp_path / "none.mp4")
    assert "folder" in refusal(tmp_path)
    (tmp_path / "empty.mp4").touch()
    assert "empty" in refusal(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("hello\n" * 100)
    assert "not a video" in refusal(tmp_path / "text.mp4")
    (tmp_path / "text.txt").write_text("hello\n" * 100)
    assert "text file" in refusal(tmp_path / "text.txt")
    os.mkfifo(tmp_path / "pipe.mp4")
    assert "not a regular file" in refusal(tmp_path / "pipe.mp4")


def test_a_folder_that_may_not_be_entered_is_not_a_missing_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(*arguments: object, **options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "stat", denied)  # root, who runs tests in containers, is denied nothing
    with pytest.raises(DynastError, match=r"a\.mp4 cannot be read: permission denied$"):
        VideoReader(tmp_path / "a.mp4")


def test_a_number_is_never_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "no such video" in refusal(Path("0"))


def test_a_name_with_a_colon_is_a_file_not_a_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "a.mp4", times=EVEN[:2], sound=None)
    monkeypatch.chdir(tmp_path)
    os.rename("a.mp4", "http:a.mp4")
    assert len(frames_of(Path("http:a.mp4"))) == 2


def test_a_file_with_sound_only_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        samples = av.AudioFrame.from_ndarray(np.zeros((2, 4096), np.float32), format="fltp", layout="stereo")
        samples.sample_rate = 48000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    assert "has no video stream (only sound)" in refusal(tmp_path / "a.mp4")


def test_an_mp4_without_its_index_is_refused_by_that_name(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", times=EVEN)
    whole = (tmp_path / "a.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: whole.index(b"moov") - 10])
    assert "index (moov) is missing" in refusal(tmp_path / "a.mp4")


def test_a_video_without_a_frame_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    assert "ends before its first frame" in refusal(tmp_path / "a.mkv")
