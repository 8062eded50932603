"""The main job: frames in, conditions drawn, images rendered, frames out."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

from dynast_deploy.condition_input import ConditionInput
from dynast_deploy.conditions import tensor_picture
from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses
from dynast_deploy.keypoints.poses import no_person
from dynast_deploy.media.picture_files import read_picture, write_picture
from dynast_deploy.progress import Progress
from dynast_deploy.runtime.engine import EncodedExemplar, Engine
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.runtime.pipeline.report import Report, say_stopping
from dynast_deploy.runtime.pipeline.submit_ahead import render_batches
from dynast_deploy.runtime.pipeline.threads import ReadAhead, WriteBehind
from dynast_deploy.size import Size
from dynast_deploy.stop_request import StopRequest

if TYPE_CHECKING:
    from dynast_deploy.media.video_reader import Frame, VideoReader

T = TypeVar("T")

READ_AHEAD = 8
"""Frames decoded and drawn before the engine asks for them, and as many waiting to be encoded."""


@dataclass(frozen=True)
class Work:
    """One picture on its way through the job; `picture` is what is rendered of it."""

    picture: np.ndarray
    condition: np.ndarray
    keypoints: np.ndarray | None
    frame: Frame | None = None
    path: Path | None = None


class Composer:
    """Turns the network's image into the picture that is written.

    With `exemplar` it is set between the exemplar and the driving picture: exemplar, driving picture, result.
    """

    def __init__(self, painter: ConditionDrawer, exemplar: np.ndarray | None) -> None:
        self.painter, self.exemplar = painter, exemplar

    def size(self, picture_size: Size) -> Size:
        """The size of what is written for a driving picture of this size."""
        picture_size = self.painter.shown_size(picture_size)
        height, width = self.painter.canvas(picture_size).result_size(self.painter.network_size)
        if self.exemplar is None:
            return Size(height, width)
        beside = _scaled_width(Size.of(self.exemplar), height) + _scaled_width(picture_size, height)
        return Size(height, beside + width)

    def kept(self, picture: np.ndarray) -> np.ndarray:
        """What `compose` needs of a driving picture until its turn comes: without an exemplar its shape alone."""
        return picture if self.exemplar is not None else np.broadcast_to(np.uint8(0), picture.shape)

    def compose(self, image: np.ndarray, picture: np.ndarray) -> np.ndarray:
        """image `[3, H, W]`, float32 in -1..1 or uint8, driving picture uint8 `[h, w, 3]` -> uint8 `[., ., 3]`.

        Of a picture that is cropped, what is rendered of it is the driving picture.
        """
        canvas = self.painter.canvas(Size.of(picture))
        made = image.transpose(1, 2, 0) if image.dtype == np.uint8 else tensor_picture(image)
        result = canvas.cut_out(made)
        if self.exemplar is None:
            return result
        height = result.shape[0]
        return np.hstack([_scaled(self.exemplar, height), _scaled(picture, height), result])


def render_video(
    engine: Engine,
    exemplar: EncodedExemplar,
    painter: ConditionDrawer,
    composer: Composer,
    reader: VideoReader,
    output: Path,
    batch: int = 1,
) -> Report:
    """Render every frame of a video that nothing was read of into `output`, same times, sound kept.

    Ctrl-C and the other signals of `StopRequest` end the output with the frames done so far, playable; so does what
    turns out to be wrong with the input in mid-run. Where a file has the name already, that one stays, and an output
    that is not whole is called `out.partial.mp4` (`VideoWriter.finish`). Raises DynastError where there is no frame to
    keep: for what is wrong with the input before the first one, and where the output cannot be written.
    """
    from dynast_deploy.media.video_writer import VideoWriter

    keypoints: list[np.ndarray] = []
    faults: list[DynastError] = []
    interrupted = False
    with ExitStack() as stack:
        check_count_early(painter, reader)
        if painter.source is not None and painter.source.is_empty:
            raise _nobody(painter.source, painter.source.frames or reader.frame_count, reader.path)
        painter.look_ahead(reader.size)
        stop = stack.enter_context(StopRequest(say_stopping))
        writer = stack.enter_context(VideoWriter(output, composer.size(reader.size), reader))
        progress = stack.enter_context(Progress(reader.path.name, reader.frame_count))

        def works() -> Iterator[Work]:
            try:
                for frame in reader:
                    painted = painter.paint(frame.picture, frame.index)
                    picture = painter.shown(frame.picture, painted)
                    yield Work(picture, painted.condition, painted.keypoints, frame)
            except DynastError as error:
                faults.append(error)

        def write(done: tuple[Work, np.ndarray]) -> None:
            work, image = done
            assert work.frame is not None
            writer.write(composer.compose(image, work.picture), work.frame.time, work.frame.duration)

        try:
            with ReadAhead(works(), READ_AHEAD) as ahead, WriteBehind(write, READ_AHEAD) as behind:
                groups = ((group, [work.condition for work in group]) for group in _batches(ahead, batch))
                for group, images in render_batches(engine, exemplar, groups):
                    for work, image in zip(group, images, strict=True):
                        behind.put((work, image))
                        if work.keypoints is not None:
                            keypoints.append(work.keypoints)
                    progress.advance(len(group))
                    if stop.signal:
                        break
        except KeyboardInterrupt:
            interrupted = True
        except Exception:
            if writer.is_open and writer.frames:
                writer.finish(cut_sound=True)
                print(f"{writer.path}: the {writer.frames} frames before the fault are kept", file=sys.stderr)
            raise
        stopped = interrupted or bool(stop.signal)
        if faults and not writer.frames:
            raise faults[0]
        whole = not (stopped or faults)
        if whole:
            _check_anybody(painter, progress.done, reader.path)
        if writer.frames or not stopped:
            writer.finish(cut_sound=not whole)
        else:
            writer.abort()
    # Poses or parts left over are a fault, unless the video ended before its stated length.
    if whole and not reader.missing and not reader.damaged:
        try:
            painter.check_frames(progress.done)
        except DynastError as error:
            faults.append(error)
    notes = [note for note in (reader.warning, writer.note, painter.note, _absence(painter)) if note]
    return Report(
        writer.frames,
        stopped,
        notes,
        Poses(np.stack(keypoints)[: writer.frames], reader.size) if keypoints and writer.frames else None,
        stop.signal or (signal.SIGINT if interrupted else 0),
        tuple(map(str, faults)),
        whole,
        (writer.path,) if writer.frames else (),
        writer.path if writer.frames else None,
    )


def render_pictures(
    engine: Engine,
    exemplar: EncodedExemplar,
    painter_for: Callable[[Path], tuple[ConditionDrawer, int]],
    exemplar_picture: np.ndarray | None,
    pictures: dict[Path, Path],
    batch: int = 1,
    strict: bool = False,
) -> Report:
    """Render each picture to the path it maps to. `painter_for` gives a picture's painter, and its number there.

    Every result appears when it is whole; Ctrl-C and the other signals of `StopRequest` keep those that are there. A
    picture that cannot be rendered is left out and told of in `failures`; with `strict` it ends the work after those
    before it, as a disk that fills up always does. Raises DynastError where not one picture could be made.
    """
    interrupted = False
    keypoints: dict[Path, np.ndarray] = {}
    failures: dict[Path, str] = {}
    written: list[Path] = []
    end: list[str] = []

    def works() -> Iterator[tuple[Work, Composer]]:
        for path in pictures:
            try:
                painter, number = painter_for(path)
                work, composer = _picture_work(painter, path, number, exemplar_picture)
            except DynastError as error:
                failures[path] = str(error)
                if strict:
                    return
                continue
            yield work, composer

    def write(item: tuple[Path, np.ndarray]) -> None:
        path, picture = item
        write_picture(pictures[path], picture)
        written.append(path)

    with StopRequest(say_stopping) as stop, Progress("pictures", len(pictures)) as progress:
        try:
            with ReadAhead(works(), READ_AHEAD) as ahead, WriteBehind(write, READ_AHEAD) as behind:
                groups = ((group, [work.condition for work, _ in group]) for group in _batches(ahead, batch))
                for group, images in render_batches(engine, exemplar, groups):
                    for (work, composer), image in zip(group, images, strict=True):
                        assert work.path is not None
                        behind.put((work.path, composer.compose(image, work.picture)))
                        if work.keypoints is not None:
                            keypoints[work.path] = work.keypoints
                    progress.advance(len(group))
                    if stop.signal:
                        break
        except KeyboardInterrupt:
            interrupted = True
        except DynastError as error:
            if not written:
                raise
            end.append(str(error))
    stopped = interrupted or bool(stop.signal)
    if failures and not written and not stopped:
        raise DynastError(_nothing_rendered(list(failures.values())))
    # A picture that failed has a row too: keypoints belong to pictures by their order.
    done = {*written, *failures}
    rows = [keypoints.get(path, no_person()) for path in pictures if path in done]
    return Report(
        len(written),
        stopped,
        [],
        Poses(np.stack(rows)) if keypoints else None,
        stop.signal or (signal.SIGINT if interrupted else 0),
        (*failures.values(), *end),
        len(written) == len(pictures),
        tuple(pictures[path] for path in written),
    )


def _picture_work(
    painter: ConditionDrawer, path: Path, number: int, exemplar: np.ndarray | None
) -> tuple[Work, Composer]:
    picture = read_picture(path)
    painted = painter.paint(picture, number)
    if painted.empty and painter.source is not None:
        words = painter.source.words
        raise DynastError(
            f"{path}: {words.nobody} is seen in it; leave it out or give its {words.wanted} with --{words.option}"
        )
    composer, shown = Composer(painter, exemplar), painter.shown(picture, painted)
    return Work(composer.kept(shown), painted.condition, painted.keypoints, path=path), composer


def _nothing_rendered(failures: list[str]) -> str:
    more = f" (and {len(failures) - 1} more pictures cannot be rendered)" if len(failures) > 1 else ""
    return f"{failures[0]}{more}"


def check_count_early(painter: ConditionDrawer, reader: VideoReader) -> None:
    """Refuse poses or parts for another number of frames before work is spent, where their number is certain."""
    if reader.counts_frames:
        painter.check_frames(reader.frame_count)


def _check_anybody(painter: ConditionDrawer, frames: int, video: Path) -> None:
    if painter.source is not None and painter.empty == frames:
        raise _nobody(painter.source, frames, video)


def _nobody(source: ConditionInput, frames: int, video: Path) -> DynastError:
    words = source.words
    return DynastError(
        f"{video}: {words.nobody} is seen in any of its {frames} frames ({words.option}: {source.origin}); "
        f"give {words.wanted} with --{words.option} or choose another video"
    )


def _absence(painter: ConditionDrawer) -> str | None:
    """One line on frames in which nobody was seen."""
    if painter.source is None or not (painter.held or painter.empty):
        return None
    words, notes = painter.source.words, []
    if painter.held:
        notes.append(f"{painter.held} kept {words.kept} before")
    if painter.empty:
        notes.append(f"{painter.empty} at the beginning show {words.stage}")
    return f"{words.nobody} was seen in {painter.held + painter.empty} frames: {', '.join(notes)}"


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group


def _scaled_width(size: Size, height: int) -> int:
    return max(1, round(size.width * height / size.height))


def _scaled(picture: np.ndarray, height: int) -> np.ndarray:
    width = _scaled_width(Size.of(picture), height)
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
