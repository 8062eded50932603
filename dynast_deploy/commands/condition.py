"""`dynast condition`: draw what the network will see of a picture or a video."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dynast_deploy.commands.option_groups import expand_groups
from dynast_deploy.condition_options import CropOptions
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.printable import printable_name

if TYPE_CHECKING:
    from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
    from dynast_deploy.runtime.pipeline.report import Report
    from dynast_deploy.size import Size

DEFAULT_SIZE = "256x256"


@expand_groups
def condition(
    media: Annotated[Path, typer.Argument(metavar="INPUT", help="Picture or video.")],
    engine: Annotated[Path | None, typer.Option(help="Engine whose task and picture size are used.")] = None,
    task: Annotated[Task | None, typer.Option(help="What conditions show, without an engine.")] = None,
    size: Annotated[
        str | None, typer.Option(help="Picture size HxW.", show_default=f"the engine's, else {DEFAULT_SIZE}")
    ] = None,
    options: CropOptions = CropOptions(),
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="File to write.",
            show_default="next to the input, NAME.condition.png or .mp4",
        ),
    ] = None,
) -> None:
    """Draw what the network will see of a picture or of every frame of a video.

    Raises:
        DynastError: Where a file is missing or cannot be read, or options and engine contradict each other.
        Exit: With another status than 0, where the video was not drawn to its end.
    """
    from dynast_deploy.files.names import named_beside
    from dynast_deploy.files.written_files import check_written
    from dynast_deploy.media.picture_files import PICTURE_SUFFIXES
    from dynast_deploy.runtime.pipeline.condition_sources import (
        ConditionDrawers,
        check_options,
        sources_read,
    )
    from dynast_deploy.runtime.pipeline.report import conclude

    if os.path.isdir(media):
        raise DynastError(f"{media} is a folder; name one picture or video")
    if not os.path.isfile(media):
        raise DynastError(f"{media}: no such picture or video")
    is_picture = media.suffix.lower() in PICTURE_SUFFIXES
    output = output or named_beside(media, ".condition.png" if is_picture else ".condition.mp4")
    read = {
        f"{'picture' if is_picture else 'video'} being read": media,
        "engine being read": engine,
        "pose model being read": options.pose_model,
    }
    check_written({"-o": output}, {**read, **sources_read([media], options)})
    task, network_size = choose_target(engine, task, size)
    drawn_by = str(engine or f"--task {task}")
    check_options(task, drawn_by, options)
    with ConditionDrawers(task, network_size, options) as drawers:
        if is_picture:
            draw_picture(drawers.of_picture(media), media, output)
            print(printable_name(output))
        else:
            report = draw_video(drawers.of_video(media), media, output)
            print(printable_name(report.video), flush=True)
            if status := conclude(report, output):
                raise typer.Exit(status)


def choose_target(engine: Path | None, task: Task | None, size: str | None) -> tuple[Task, Size]:
    """What to draw and how large: the engine's where there is one, else as the options say.

    Raises:
        DynastError: Where options and engine contradict each other.
    """
    from dynast_deploy.size import parse_size

    if engine is None:
        return task or Task.POSE, parse_size(size or DEFAULT_SIZE)
    from dynast_deploy.runtime import load_engine
    from dynast_deploy.runtime.pipeline.condition_drawer import task_of

    with load_engine(engine, device="cpu") as loaded:
        info = loaded.info
    of_engine = task_of(info.task, info.channels, str(engine))
    if task not in (None, of_engine):
        raise DynastError(f"{engine}: its conditions show {of_engine}, not {task}; leave --task out")
    if size is not None and parse_size(size) != info.size:
        raise DynastError(
            f"{engine}: its pictures are {info.height}x{info.width}, not {size}; leave --size out"
        )
    return of_engine, info.size


def draw_picture(drawer: ConditionDrawer, picture: Path, output: Path) -> None:
    """Write the condition of one picture.

    Raises:
        DynastError: Where no person, or no face, is detected in it, or the output cannot be written.
    """
    from dynast_deploy.media.picture_files import read_picture, write_picture
    from dynast_deploy.tasks.preview import draw_condition

    drawn = drawer.draw(read_picture(picture), 0)
    if drawn.empty and drawer.source is not None:
        words = drawer.source.words
        raise DynastError(
            f"{picture}: {words.absent} detected in it; give its {words.wanted} with --{words.option}"
        )
    write_picture(output, draw_condition(drawn.condition))


def draw_video(drawer: ConditionDrawer, video: Path, output: Path) -> Report:
    """Write the condition of every frame, with the video's times and sound. What is kept when: see `render_video`.

    Raises:
        DynastError: Where there is no frame to keep, or the output cannot be written.
    """
    from dynast_deploy.media.frame_source import SourceEnd
    from dynast_deploy.progress import Progress
    from dynast_deploy.runtime.pipeline.absence import check_count_early
    from dynast_deploy.runtime.pipeline.frames_in_out import open_sink, open_source
    from dynast_deploy.runtime.pipeline.report import Report, say_stopping
    from dynast_deploy.stop_request import StopRequest
    from dynast_deploy.tasks.preview import draw_condition

    faults: list[str] = []
    with ExitStack() as stack:
        source = stack.enter_context(open_source(video))
        check_count_early(drawer, source)
        drawer.look_ahead(source.size)
        stop = stack.enter_context(StopRequest(say_stopping))
        sink = stack.enter_context(open_sink(output, drawer.network_size, source))
        progress = stack.enter_context(Progress(source.name, source.frame_count))
        try:
            for frame in source:
                drawn = drawer.draw(frame.picture, frame.index)
                sink.write(draw_condition(drawn.condition), frame.time, frame.duration, frame.captured)
                progress.advance(1)
                if stop.signal:
                    break
        except DynastError as error:
            if not (sink.is_open and sink.frames):
                raise
            faults.append(str(error))
        whole = not (stop.signal or faults)
        sink.finish(cut_sound=not whole)
    if whole and source.end is SourceEnd.COMPLETE:
        try:
            drawer.check_frames(sink.frames)
        except DynastError as error:
            faults.append(str(error))
    notes = [note for note in (source.warning, sink.note, drawer.note) if note]
    unseen = drawer.empty + drawer.held
    if unseen and drawer.source is not None:
        absent = drawer.source.words.absent
        notes.append(f"{absent} detected in {unseen} of {sink.frames} frames")
    outputs = tuple(sink.outputs)
    return Report(
        sink.frames,
        bool(stop.signal),
        notes,
        None,
        stop.signal,
        tuple(faults),
        whole,
        outputs,
        outputs[0] if outputs else None,
    )
