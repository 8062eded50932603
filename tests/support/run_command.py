"""`dynast-run` in the process of a test, and what is looked at afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from dynast_deploy.commands import run
from dynast_deploy.keypoints import Poses, read_poses, write_poses
from dynast_deploy.media.video_reader import VideoReader

FRAMES = 7
"""Of the driving video that tests/commands/conftest.py writes."""


def dynast_run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Exit status of the command line, run in this process."""
    monkeypatch.setattr(sys, "argv", ["dynast-run", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        run.main()
    return int(ended.value.code or 0)


def job(folder: Path, **changes: object) -> list[object]:
    """The arguments of the plain job in a folder; an option set to None is left out."""
    options: dict[str, object] = {"engine": folder / "tiny20.onnx", "video": folder / "drive.mp4"}
    options |= {"exemplar": folder / "ref.png"} | {
        name.replace("_", "-"): value for name, value in changes.items()
    }
    return [part for name, value in options.items() if value is not None for part in (f"--{name}", value)]


def frames_of(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [frame.picture for frame in reader]


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def only_error(printed: str) -> str:
    """The one line that a mistake gets, from what was printed to standard error."""
    lines = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, printed
    assert "Traceback" not in printed
    return lines[0]


def without_people(path: Path, *frames: int) -> None:
    """Write the poses of a file again, without the person in these frames."""
    keypoints = read_poses(path).keypoints.copy()
    keypoints[list(frames)] = np.nan
    write_poses(path, Poses(keypoints))
