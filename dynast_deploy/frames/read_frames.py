"""Where calibration data come from: a video, pictures, arrays, or the data that ship for training.

Conditions are drawn as `dynast-run` draws them, so ranges are those of the user's own pictures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.npz import NpzFile
from dynast_deploy.formats.onnx_model import ModelMetadata
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.frames.request import FrameRequest
from dynast_deploy.printable import print_note
from dynast_deploy.runtime.pipeline.condition_sources import sources_read
from dynast_deploy.size import Size

if TYPE_CHECKING:
    from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer

ARRAYS = ("condition", "exemplar", "exemplar_condition")
FRAMES_AN_EXEMPLAR = 4
"""Of data that ship, in which every sample has an exemplar of its own."""


def files_read(request: FrameRequest, model: Path) -> dict[str, Path | str | Sequence[Path] | None]:
    """What a measurement reads, for `written_files.check_written`."""
    media = Path(request.data)
    return {
        "float32 engine itself": model,
        "data being read": media,
        "exemplar being read": request.exemplars,
        "pose model being read": request.pose_model,
        **sources_read([media], request),
        **sources_read(request.exemplars, request, "exemplar_", "exemplars' "),
    }


def read_data(request: FrameRequest, info: ModelMetadata, source: str) -> CalibrationData:
    """At most `request.frames` frames that fit the model `info` describes; `source` is the model's name.

    Raises:
        DynastError: Where the data are missing, of another task or size, empty, constant, or not finite.
    """
    from dynast_deploy.media.picture_files import PICTURE_SUFFIXES

    path = Path(request.data)
    if path.suffix == ".npz" and path.is_file():
        return _from_arrays(path, info, request.frames)
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES or path.is_file():
        return _from_media(request, path, info, source)
    return _from_shipped(request, info, source)


def _from_arrays(path: Path, info: ModelMetadata, most: int) -> CalibrationData:
    """`condition` `[N, S, H, W]`, `exemplar` `[E, 3, H, W]`, `exemplar_condition` `[E, S, H, W]`; frames take turns.

    Raises:
        DynastError: Where arrays are missing, or do not fit each other or the model.
    """
    with NpzFile(path, ARRAYS) as file:
        arrays = file.arrays
        lacking = [name for name in ARRAYS if name not in arrays]
        if lacking:
            raise DynastError(f"{path}: it lacks {lacking[0]}; calibration arrays are {', '.join(ARRAYS)}")
        for name, array in arrays.items():
            if len(array.shape) != 4:
                raise DynastError(
                    f"{path}: {name} has shape {list(array.shape)}; it must have four dimensions"
                )
        frames, exemplars, conditions = (arrays[name].shape[0] for name in ARRAYS)
        if exemplars != conditions:
            raise DynastError(f"{path}: {exemplars} exemplars have {conditions} conditions")
        data = CalibrationData(info, str(path))
        for number in range(exemplars):
            picture, condition = (arrays[name].rows(number, number + 1) for name in ARRAYS[1:])
            data.add_exemplar(picture, condition, str(path))
        for turn, number in enumerate(spread(frames, most) if exemplars else ()):
            condition = arrays["condition"].rows(number, number + 1)
            data.add_frame(condition, turn % exemplars, f"{path}, frame {number}")
    return data.finish()


def _from_media(request: FrameRequest, path: Path, info: ModelMetadata, source: str) -> CalibrationData:
    """A video, a picture or a folder of pictures, with the exemplars in turn.

    Raises:
        DynastError: Where the exemplars are missing, or something cannot be read.
    """
    from dynast_deploy.media.picture_files import PICTURE_SUFFIXES, list_pictures, read_picture
    from dynast_deploy.runtime.pipeline.condition_drawer import task_of
    from dynast_deploy.runtime.pipeline.condition_sources import ConditionDrawers, check_options

    if not request.exemplars:
        raise DynastError(f"{path}: name the exemplars too: --exemplar REF.jpg (may be given several times)")
    for field in fields(request):
        each = getattr(request, field.name)
        if field.name.startswith("exemplar_") and each and len(each) != len(request.exemplars):
            option = field.name.replace("_", "-")
            raise DynastError(f"--{option}: give one for each --exemplar, in the same order")
    task = task_of(Task(info.task) if info.task else None, info.channels, source)
    check_options(task, source, request)
    data = CalibrationData(info, str(path))
    with ConditionDrawers(task, Size(info.height, info.width), request) as drawers:
        for number, exemplar in enumerate(list_pictures(request.exemplars)):
            drawer = drawers.of_exemplar(exemplar, number)
            data.add_exemplar(*drawer.exemplar(read_picture(exemplar), str(exemplar)), str(exemplar))
        if path.is_file() and path.suffix.lower() not in PICTURE_SUFFIXES:
            _add_video(data, drawers.of_video(path), path, request.frames)
        else:
            left_out: list[str] = []
            pictures = list_pictures([path], left_out)
            for note in left_out:
                print_note(note)
            of_picture = drawers.of_pictures(pictures)
            for turn, chosen in enumerate(spread(len(pictures), request.frames)):
                drawer, number = of_picture(pictures[chosen])
                drawn = drawer.draw(read_picture(pictures[chosen]), number)
                if not drawn.empty:
                    data.add_frame(drawn.condition[None], turn % data.exemplar_count, str(pictures[chosen]))
    return data.finish()


def _add_video(data: CalibrationData, drawer: ConditionDrawer, path: Path, most: int) -> None:
    from dynast_deploy.runtime.pipeline.absence import check_count_early
    from dynast_deploy.runtime.pipeline.frames_in_out import open_source

    with open_source(path) as source:
        check_count_early(drawer, source)
        if source.frame_count is None:
            raise DynastError(f"{path}: the number of its frames is not known; save it as a file first")
        chosen = spread(source.frame_count, most)
        wanted = set(chosen)
        for frame in source:
            if frame.index in wanted:
                drawn = drawer.draw(frame.picture, frame.index)
                if not drawn.empty:
                    turn = len(data) % data.exemplar_count
                    data.add_frame(drawn.condition[None], turn, f"{path}, frame {frame.index}")
            if frame.index >= chosen[-1]:
                break


def _from_shipped(request: FrameRequest, info: ModelMetadata, source: str) -> CalibrationData:
    """Samples of training data by the name of their source; exemplars of their own.

    Raises:
        DynastError: Where no such data ship.
    """
    task = Task(info.task) if info.task else Task.of_channels(info.channels)
    if task is None or info.height != info.width:
        raise DynastError(f"--data {request.data}: no such file or folder, and no data ship for {source}")
    if request.exemplars:
        raise DynastError(
            f"--data {request.data}: no such file or folder (data that ship need no --exemplar)"
        )
    try:
        from dynast_deploy.tasks.training_data import training_data
    except ImportError:
        raise DynastError(
            f"--data {request.data}: no such file or folder (data that ship need PyTorch: pip install torch)"
        ) from None
    stream = training_data(task, request.data, info.height, seed=0)
    data = CalibrationData(info, request.data)
    exemplar = -1
    for number in range(request.frames):
        sample = stream[number]
        if number % FRAMES_AN_EXEMPLAR == 0:
            exemplar = data.add_exemplar(
                sample["exemplar"].numpy()[None],
                _eighth(sample["exemplar_condition"].numpy()),
                sample["name"],
            )
        data.add_frame(_eighth(sample["condition"].numpy()), exemplar, sample["name"])
    return data.finish()


def _eighth(condition: np.ndarray) -> np.ndarray:
    """float32 `[S, H, W]` in 0..1 -> uint8 `[1, S, H, W]`."""
    levels: np.ndarray = np.rint(condition[None] * 255).astype(np.uint8)
    return levels


def spread(count: int, most: int) -> list[int]:
    """At most `most` numbers of 0..count-1, evenly spread."""
    return (
        sorted({int(number) for number in np.linspace(0, count - 1, min(count, most)).round()})
        if count
        else []
    )
