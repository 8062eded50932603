"""Files that get their name when they are whole, and what becomes of those that do not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from run_command import files

from dynast_deploy.errors import DynastError
from dynast_deploy.files import partial_files
from dynast_deploy.files.atomic_file import AtomicFile, save_arrays, write_text
from dynast_deploy.files.names import fitting, longest_name, named_beside, unused
from dynast_deploy.files.scratch_folder import scratch_folder

posix = pytest.mark.skipif(os.name != "posix", reason="Windows neither renames nor removes what is open")


def test_the_name_appears_with_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with AtomicFile(path) as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
        assert (partial.parent, partial.suffix, partial.name[0]) == (tmp_path, ".txt", ".")
    assert path.read_text() == "after"
    assert files(tmp_path) == {"a.txt"}


def test_an_exception_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(KeyError), AtomicFile(path) as partial:  # noqa: PT012
        partial.write_text("half")
        raise KeyError
    with pytest.raises(DynastError, match=r"a\.txt cannot be written: the disk is full"), AtomicFile(path):
        raise OSError(28, "No space left on device")
    assert path.read_text() == "before"
    assert files(tmp_path) == {"a.txt"}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "latest.txt").symlink_to(tmp_path / "disk" / "real.txt")
    write_text(tmp_path / "latest.txt", "one")
    write_text(tmp_path / "latest.txt", "two")
    assert (tmp_path / "latest.txt").is_symlink()
    assert (tmp_path / "disk" / "real.txt").read_text() == "two"


def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")
    (tmp_path / "a.txt").chmod(0o444)
    (tmp_path / "link.txt").symlink_to("a.txt")
    for name in ("a.txt", "link.txt"):
        with pytest.raises(DynastError, match=rf"{name} cannot be written: it is read-only"):
            write_text(tmp_path / name, "after")
    assert (tmp_path / "a.txt").read_text() == "before"


def test_what_cannot_become_a_file_is_refused_at_once(tmp_path: Path) -> None:
    for path, words in (
        (tmp_path, "it is a folder"),
        (tmp_path / "no" / "a.txt", "there is no folder"),
        (Path(os.devnull), "not a regular file"),
        (tmp_path / ("é" * 126 + ".txt"), "longer than 255 bytes"),
    ):
        with pytest.raises(DynastError, match=words):
            AtomicFile(path)
    assert Path(os.devnull).exists()
    assert files(tmp_path) == set()


def test_names_are_counted_in_bytes(tmp_path: Path) -> None:
    longest = "é" * 125 + ".npz"
    assert len(os.fsencode(longest)) == 254
    save_arrays(tmp_path / longest, {})
    assert files(tmp_path) == {longest}
    one, other = (named_beside(tmp_path / ("é" * 124 + end + ".mp4"), ".dynast.mp4") for end in ("a", "b"))
    assert one != other
    for path in (one, other):
        assert len(os.fsencode(path.name)) <= longest_name(tmp_path)
        write_text(path, "")
    assert fitting("walk", ".dynast.mp4", tmp_path) == "walk.dynast.mp4"


def test_a_part_gets_a_name_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "o.mp4").write_text("whole")
    for number, name in enumerate(("o.partial.mp4", "o.partial-2.mp4")):
        assert unused(tmp_path / "o.mp4", "partial").name == name
        part = AtomicFile(tmp_path / "o.mp4")
        part.partial.write_text(str(number))
        part.keep_beside()
        assert part.path == tmp_path / name
        assert part.path.read_text() == str(number)
    assert (tmp_path / "o.mp4").read_text() == "whole"
    assert files(tmp_path) == {"o.mp4", "o.partial.mp4", "o.partial-2.mp4"}


@posix
@pytest.mark.parametrize("kept", [AtomicFile.commit, AtomicFile.keep_beside])
def test_a_folder_that_is_renamed_takes_the_file_along(tmp_path: Path, kept) -> None:
    (tmp_path / "out").mkdir()
    file = AtomicFile(tmp_path / "out" / "a.txt")
    file.partial.write_text("text")
    (tmp_path / "out").rename(tmp_path / "moved")
    kept(file)
    assert [path.read_text() for path in (tmp_path / "moved").iterdir()] == ["text"]
    if sys.platform == "linux":
        assert file.path.parent == tmp_path / "moved"


@posix
@pytest.mark.parametrize("kept", [AtomicFile.commit, AtomicFile.keep_beside])
def test_a_folder_that_is_removed_is_made_again(tmp_path: Path, kept) -> None:
    (tmp_path / "out").mkdir()
    file = AtomicFile(tmp_path / "out" / "a.txt")
    file.partial.write_text("text")
    shutil.rmtree(tmp_path / "out")
    kept(file)
    assert (tmp_path / "out" / "a.txt").read_text() == "text"
    assert files(tmp_path / "out") == {"a.txt"}


@posix
def test_only_what_dead_processes_left_is_removed(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path\n"
        "from dynast_deploy.files.partial_files import create_file, create_folder\n"
        "folder = Path(sys.argv[1]); create_file(folder, 'a.mp4'); create_folder(folder, 'models'); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    dead = files(tmp_path)
    assert len(dead) == 2
    (tmp_path / ".mine").write_text("a user's own hidden file")
    with AtomicFile(tmp_path / "b.txt") as living, scratch_folder(tmp_path, "c") as scratch:
        (scratch / "file").touch()
        partial_files.remove_left_over(tmp_path)
        assert files(tmp_path) == {".mine", living.name, scratch.name}
    assert files(tmp_path) == {".mine", "b.txt"}


@posix
def test_the_next_run_removes_what_is_left(tmp_path: Path) -> None:
    (tmp_path / ".a.partial-1-0.mp4").touch()
    write_text(tmp_path / "b.txt", "")
    assert files(tmp_path) == {"b.txt"}
