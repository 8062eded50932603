"""What a command left in its output folder, and whether each file of it is whole."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.media.picture_files import read_picture
from dynast_deploy.media.video_reader import VideoReader
from interrupting.commands import WHOLE_FOLDERS
from interrupting.inputs import FRAMES

VIDEOS = (".mp4", ".mkv")


def contents(folder: Path) -> dict[Path, str]:
    """SHA-256 of every file that has a final name and lies in folders that have."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not any(".partial-" in part for part in path.relative_to(folder).parts)
    }


def keep_hidden(folder: Path) -> None:
    """Remove what a command refuses to find in its folder, but not what the next run has to clear away."""
    for path in list(folder.iterdir()):
        if not path.name.startswith("."):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_whole_result(path: Path, command: str) -> bool:
    """Whether a file that a stopped run has replaced is a complete one: the signal came after it was written."""
    return len(frames(path)) == FRAMES if path.suffix in VIDEOS else command != "train"


def frames(path: Path) -> list[int]:
    """Numbers of the frames of a video, from 0."""
    with VideoReader(path) as reader:
        return [frame.index for frame in reader]


def incomplete_folder(command: str, found: set[Path], undisturbed: set[Path]) -> str | None:
    """What is missing of a folder that has to appear complete; None where it is complete, or not there."""
    if command not in WHOLE_FOLDERS or not found or found == undisturbed:
        return None
    return f"the folder lacks {', '.join(sorted(path.name for path in undisturbed - found))}"


def broken(path: Path) -> str | None:
    """What is wrong with a file; None where it is whole."""
    try:
        _read(path)
    except (DynastError, ValueError, OSError) as error:
        return str(error)
    except Exception as error:  # whatever a library says of an incomplete file
        return f"{type(error).__name__}: {error}"
    return None


def _read(path: Path) -> None:
    if path.suffix in VIDEOS:
        if not frames(path):
            raise ValueError("no frame")
    elif path.suffix == ".png":
        read_picture(path)
    elif path.suffix == ".npz":
        with np.load(path) as arrays:
            _ = [arrays[key] for key in arrays]
    elif path.suffix == ".json":
        json.loads(path.read_text())
    elif path.suffix == ".onnx":
        import onnx

        onnx.checker.check_model(onnx.load(path))
    elif path.suffix == ".pth":
        from dynast_deploy.checkpoint import read_checkpoint

        read_checkpoint(path)
    elif path.suffix == ".plan" and path.name != "model.plan":  # Triton's model.plan is a bare TensorRT plan
        from dynast_deploy.formats.plan import read_plans

        read_plans(path)
