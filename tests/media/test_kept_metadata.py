"""Title, date and language of a source are its copy's, too; what describes the stored file is not."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from dynast_deploy.media.kept_metadata import kept_of_container, kept_of_stream
from dynast_deploy.media.video_reader import VideoReader
from dynast_deploy.media.video_writer import VideoWriter

SAID = {
    "title": "A dance",
    "artist": "Somebody",
    "date": "2021-05-04",
    "comment": "first take",
    "creation_time": "2021-05-04T10:11:12.000000Z",
}


def write(path: Path, metadata: dict[str, str], language: str | None = None) -> None:
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libvpx-vp9" if path.suffix == ".webm" else "libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        if language:
            stream.metadata["language"] = language
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def read(path: Path) -> tuple[dict[str, str], str | None]:
    """What a file says of itself, names in small letters, and the language of its pictures."""
    with av.open(str(path)) as container:
        language = container.streams.video[0].metadata.get("language")
        return {name.lower(): value for name, value in container.metadata.items()}, language


def pass_through(source: Path, target: Path) -> None:
    with VideoReader(source) as reader, VideoWriter(target, reader.size, reader) as writer:
        for frame in reader:
            writer.write(frame.picture, frame.time, frame.duration)


@pytest.mark.parametrize("source", ["in.mp4", "in.mkv", "in.webm"])
@pytest.mark.parametrize("target", ["out.mp4", "out.mov", "out.mkv", "out.webm"])
def test_title_date_and_language_are_kept(tmp_path: Path, source: str, target: str) -> None:
    write(tmp_path / source, SAID, "ita")
    pass_through(tmp_path / source, tmp_path / target)
    said, language = read(tmp_path / target)
    for name, value in SAID.items():
        assert said[name].startswith(value.removesuffix(".000000Z")), name
    assert language == "ita"


def test_what_describes_the_stored_file_is_left_behind() -> None:
    said = {
        "ENCODER": "Lavf",
        "major_brand": "isom",
        "compatible_brands": "isomiso2",
        "minor_version": "512",
        "DURATION": "00:00:01",
        "timecode": "00:00:00:00",
        "_STATISTICS_TAGS": "BPS",
        "TITLE": "A dance",
        "location": "+00.0000-000.0000/",
    }
    assert kept_of_container(said) == {"TITLE": "A dance", "location": "+00.0000-000.0000/"}
    of_stream = {"language": "eng", "handler_name": "VideoHandler", "BPS": "12", "title": "Main"}
    assert kept_of_stream(of_stream, "mp4") == {"language": "eng", "title": "Main"}


@pytest.mark.parametrize("time", ["yesterday", "", "2021-13-45"])
def test_a_time_of_creation_that_is_none_stops_nothing(tmp_path: Path, time: str) -> None:
    assert kept_of_container({"creation_time": time}) == {}
    write(tmp_path / "in.mkv", {"title": "A dance", "CREATION_TIME_": time})
    stored = (tmp_path / "in.mkv").read_bytes()
    (tmp_path / "in.mkv").write_bytes(stored.replace(b"CREATION_TIME_", b"CREATION_TIME\0"))
    pass_through(tmp_path / "in.mkv", tmp_path / "out.mp4")
    assert read(tmp_path / "out.mp4")[0]["title"] == "A dance"
