"""What a person can get wrong with `dynast-run`: one line, status 2, and no output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from run_command import FRAMES, dynast_run, files, job, only_error, without_people
from tiny_engine import write_tiny_engine

from dynast_deploy.media.picture_files import write_picture


def _write(path: Path, contents: bytes) -> Path:
    path.write_bytes(contents)
    return path


def _one_pixel(folder: Path) -> Path:
    write_picture(folder / "tiny.png", np.zeros((1, 1, 3), np.uint8))
    return folder / "tiny.png"


def _without_index(mp4: bytes) -> bytes:
    """What a recording that was cut off leaves: its pictures, and a box that should have held their index."""
    return mp4.replace(b"moov", b"free")


class _RunsCode:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("was-run"),))


def _checkpoint_with_code(folder: Path) -> Path:
    torch.save({"generator": _RunsCode()}, folder / "code.pth")
    return folder / "code.pth"


def _engine_of_channels(folder: Path, channels: int) -> Path:
    return write_tiny_engine(folder, channels)


MISTAKES = {
    "missing video": (lambda f: {"video": f / "no.mp4"}, "no.mp4: no such video file"),
    "folder as video": (lambda f: {"video": f}, "is a folder, not a video"),
    "device as video": (lambda f: {"video": Path(os.devnull)}, "is not a regular file; videos are read"),
    "missing exemplar": (lambda f: {"exemplar": f / "no.png"}, "no.png"),
    "missing engine": (lambda f: {"engine": f / "no.onnx"}, "no.onnx: no such file"),
    "neither video nor pictures": (lambda f: {"video": None}, "either --video FILE or --images"),
    "video and pictures": (lambda f: {"images": f}, "either --video FILE or --images"),
    "text named .mp4": (
        lambda f: {"video": _write(f / "text.mp4", b"hello")},
        "text.mp4 is not a video file",
    ),
    "empty video": (lambda f: {"video": _write(f / "empty.mp4", b"")}, "empty.mp4"),
    "video whose index is missing": (
        lambda f: {"video": _write(f / "half.mp4", _without_index((f / "drive.mp4").read_bytes()))},
        "half.mp4",
    ),
    "checkpoint with code in it": (lambda f: {"engine": _checkpoint_with_code(f)}, "could run code"),
    "exemplar of one pixel": (lambda f: {"exemplar": _one_pixel(f)}, "the exemplar is 1x1 pixels"),
    "poses of another video": (
        lambda f: {"poses": f / "ref.poses.npz"},
        "ref.poses.npz holds 1 poses for 7 frames",
    ),
    "no person in the exemplar": (
        lambda f: without_people(f / "ref.poses.npz", 0) or {},
        "ref.png: no person detected in the exemplar",
    ),
    "no person in the video": (
        lambda f: without_people(f / "drive.poses.npz", *range(FRAMES)) or {},
        "no person detected in any of its 7 frames",
    ),
    "no poses for the video": (lambda f: (f / "drive.poses.npz").unlink() or {}, "Give them with --poses"),
    "no poses for the exemplar": (
        lambda f: (f / "ref.poses.npz").unlink() or {},
        "Give them with --exemplar-poses",
    ),
    "conditions that cannot be drawn": (lambda f: {"engine": _engine_of_channels(f, 7)}, "have 7 channels"),
    "poses for a style engine": (
        lambda f: {"engine": _engine_of_channels(f, 3), "poses": f / "drive.poses.npz"},
        "leave pose options out",
    ),
    "corrupt engine": (lambda f: {"engine": _write(f / "bad.onnx", b"\x08\x07garbage")}, "bad.onnx: damaged"),
    "engine cut short": (
        lambda f: {"engine": _write(f / "cut.onnx", (f / "tiny20.onnx").read_bytes()[:20000])},
        "cut.onnx: damaged",
    ),
    "engine of an unknown kind": (lambda f: {"engine": f / "drive.mp4"}, "no file of a kind known here"),
    "output of an unknown kind": (lambda f: {"output": f / "out.gif"}, "out.gif: videos are written as"),
    "output in no folder": (lambda f: {"output": f / "no" / "out.mp4"}, "the folder"),
    "output over the input": (lambda f: {"output": f / "drive.mp4"}, "is the video being read"),
    "poses saved as text": (lambda f: {"save_poses": f / "poses.txt"}, "written as .npz"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_one_line_status_2_and_no_output(
    work: Path, monkeypatch, capsys, mistake: str
) -> None:
    # Where MediaPipe's networks are they would find poses of their own.
    monkeypatch.setattr("dynast_deploy.keypoints.sources.find_models", lambda _: None)
    change, message = MISTAKES[mistake]
    changes = change(work)
    before = files(work)
    assert dynast_run(monkeypatch, *job(work, **changes)) == 2
    assert message in only_error(capsys.readouterr().err)
    assert files(work) == before


def test_a_file_that_shows_no_person_is_refused_before_a_frame_is_rendered(
    work: Path, monkeypatch, capsys
) -> None:
    without_people(work / "drive.poses.npz", *range(FRAMES))
    assert dynast_run(monkeypatch, *job(work)) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert "no person detected in any of its 7 frames" in line


def test_a_full_disk_gets_one_line_and_leaves_nothing(work: Path) -> None:
    pytest.importorskip("resource", reason="limits on file size are a matter of POSIX")
    before = files(work)
    script = (
        "import resource, sys; from dynast_deploy.commands import run\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600)); run.main()"
    )
    command = [sys.executable, "-c", script, *map(str, job(work))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1
    assert "drive.dynast.mp4" in errors[0]
    assert files(work) == before
