"""Which source reads what `--video` and `--images` name, and which sink writes what `-o` names.

The render loops know sources and sinks by their Protocols (`media.frame_source`, `media.frame_sink`) alone; here is the
one place that names classes. A new source or sink is a module of its own and an entry in a table below.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.media.frame_sink import FrameSink, PictureSink
from dynast_deploy.media.frame_source import FrameSource, PictureSource
from dynast_deploy.runtime.pipeline.job_files import default_video_output
from dynast_deploy.size import Size


@dataclass(frozen=True)
class SourceKind:
    """One kind of video that can be read.

    takes: whether what the user named is of this kind. check: raises DynastError for what can be seen to be wrong
    before an engine is loaded. open: gives the source; raises DynastError where it cannot be read. output: where the
    result goes unless the user says, None where they have to.
    """

    takes: Callable[[str], bool]
    check: Callable[[str], None]
    open: Callable[[str], FrameSource]
    output: Callable[[str], Path | None]


@dataclass(frozen=True)
class SinkKind:
    """One kind of output that a video can be written to.

    takes: whether what the user named is of this kind. check: raises DynastError for what can be seen to be wrong
    before an engine is loaded. open: gives the sink for pictures of a size, with times, sound and metadata of a source;
    raises DynastError where it cannot be written. file: the file that it writes, None where it is not one.
    """

    takes: Callable[[str], bool]
    check: Callable[[str], None]
    open: Callable[[str, Size, FrameSource], FrameSink]
    file: Callable[[str], Path | None]


def _check_video_file(named: str) -> None:
    from dynast_deploy.media.video_file import check_video_file

    check_video_file(Path(named))


def _open_video_file(named: str) -> FrameSource:
    from dynast_deploy.media.video_reader import VideoReader

    return VideoReader(named)


def _check_new_video_file(named: str) -> None:
    from dynast_deploy.media.video_containers import VIDEO_SUFFIXES

    path = Path(named)
    if path.suffix.lower() not in VIDEO_SUFFIXES:
        raise DynastError(f"{path}: videos are written as {', '.join(VIDEO_SUFFIXES)}")
    if not os.path.isdir(path.parent):
        raise DynastError(f"{path}: the folder {path.parent} does not exist")


def _write_video_file(named: str, size: Size, source: FrameSource) -> FrameSink:
    from dynast_deploy.media.video_writer import VideoWriter

    return VideoWriter(named, size, source)


SOURCES = (
    # Last, since any name can be a file's.
    SourceKind(
        takes=lambda named: True,
        check=_check_video_file,
        open=_open_video_file,
        output=lambda named: default_video_output(Path(named)),
    ),
)
"""The kinds of source; the first that takes a name reads it."""

SINKS = (
    SinkKind(
        takes=lambda named: True,
        check=_check_new_video_file,
        open=_write_video_file,
        file=Path,
    ),
)
"""The kinds of sink; the first that takes a name writes it."""


def source_kind(named: str) -> SourceKind:
    """The kind of source that `--video` names."""
    return next(kind for kind in SOURCES if kind.takes(named))


def sink_kind(named: str) -> SinkKind:
    """The kind of sink that `-o` names."""
    return next(kind for kind in SINKS if kind.takes(named))


def open_source(named: str | Path) -> FrameSource:
    """The source that `--video` names, opened; the caller closes it.

    Raises:
        DynastError: Where it cannot be read.
    """
    return source_kind(str(named)).open(str(named))


def open_sink(named: str | Path, size: Size, source: FrameSource) -> FrameSink:
    """The sink that `-o` names, for pictures of `size`, with the times, the sound and the metadata of `source`.

    Raises:
        DynastError: Where it cannot be written.
    """
    return sink_kind(str(named)).open(str(named), size, source)


def open_pictures(paths: Sequence[Path]) -> PictureSource:
    """The source that `--images` names, by the files that it stands for."""
    from dynast_deploy.media.picture_set import PictureFiles

    return PictureFiles(paths)


def open_picture_sink(outputs: Mapping[Path, Path]) -> PictureSink:
    """The sink that `-o` names for pictures, by where the result of each goes (`job_files.picture_outputs`)."""
    from dynast_deploy.media.picture_set import PictureOutputs

    return PictureOutputs(outputs)
