"""What a command writes, set against what it reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from run_command import files

from dynast_deploy.errors import DynastError
from dynast_deploy.files.written_files import check_written, check_written_folder
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.size import Size


def refused(words: str, written: dict[str, object], read: dict[str, object]) -> None:
    with pytest.raises(DynastError, match=words):
        check_written(written, read)  # type: ignore[arg-type]


def test_an_output_that_is_an_input_is_refused_by_whatever_name(tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(b"x")
    (tmp_path / "link.png").symlink_to(photo)
    os.link(photo, tmp_path / "hard.png")
    read: dict[str, object] = {"exemplar being read": photo, "video being read": None}
    for name in (photo, tmp_path / "link.png", tmp_path / "hard.png", tmp_path / "." / "photo.png"):
        refused("is the exemplar being read.*name another file", {"-o": name}, read)
    refused("is the exemplar", {"-o": photo}, {"exemplar being read": [tmp_path / "hard.png"]})
    check_written({"-o": tmp_path / "other.png", "--json": None}, read)  # type: ignore[arg-type]
    assert photo.read_bytes() == b"x"
    assert files(tmp_path) == {"photo.png", "link.png", "hard.png"}


def test_files_of_a_folder_that_is_read_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "poses" / "deep").mkdir(parents=True)
    (tmp_path / "poses" / "deep" / "1.json").touch()
    read: dict[str, object] = {"poses being read": tmp_path / "poses"}
    refused("is a file of .*poses, which is read", {"--json": tmp_path / "poses" / "deep" / "1.json"}, read)
    check_written({"--json": tmp_path / "poses" / "new.json"}, read)  # type: ignore[arg-type]


def test_two_outputs_are_two_files(tmp_path: Path) -> None:
    same = {"--json": tmp_path / "a.json", "--plot": tmp_path / "." / "a.json"}
    refused("--plot .*: --json writes the same file", same, {})


def test_a_folder_of_results_is_no_folder_that_is_read(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    with pytest.raises(DynastError, match="is the folder of pictures.*name another folder"):
        check_written_folder("-o", tmp_path / "link", {"folder of pictures": tmp_path / "photos"})
    check_written_folder("-o", tmp_path / "new", {"folder of pictures": tmp_path / "photos"})


def test_a_file_that_cannot_be_written_shows_at_once(tmp_path: Path) -> None:
    refused("there is no folder", {"--json": tmp_path / "no" / "a.json"}, {})


@contextmanager
def no_space() -> Iterator[None]:
    """As on a full disk, files can be made, but nothing can be written into them; not even what pytest prints."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_shows_before_any_work(tmp_path: Path) -> None:
    with no_space():
        refused(r"a\.mp4 cannot be written: the file is larger", {"-o": tmp_path / "a.mp4"}, {})
    assert files(tmp_path) == set()


def test_a_video_that_cannot_be_begun_says_why(tmp_path: Path) -> None:
    with no_space(), pytest.raises(DynastError, match=r"a\.mp4 cannot be written: the file is larger"):
        VideoWriter(tmp_path / "a.mp4", Size(64, 64), 25)
    assert files(tmp_path) == set()
