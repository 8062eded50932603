"""The job on pictures: each is drawn, rendered and written by itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses
from dynast_deploy.keypoints.poses import no_person
from dynast_deploy.media.frame_sink import PictureSink
from dynast_deploy.media.frame_source import PictureSource
from dynast_deploy.progress import Progress
from dynast_deploy.runtime.engine import EncodedExemplar, Engine
from dynast_deploy.runtime.pipeline.compose import Composer
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.runtime.pipeline.frame_loop import PictureWork, render_works
from dynast_deploy.runtime.pipeline.report import Report, say_stopping
from dynast_deploy.stop_request import StopRequest


def render_pictures(
    engine: Engine,
    exemplar: EncodedExemplar,
    drawer_for: Callable[[Path], tuple[ConditionDrawer, int]],
    exemplar_picture: np.ndarray | None,
    source: PictureSource,
    sink: PictureSink,
    batch: int = 1,
    strict: bool = False,
) -> Report:
    """Render every picture of `source`. `drawer_for` gives a picture's drawer, and its number there.

    Every result appears when it is whole; Ctrl-C and the other signals of `StopRequest` keep those that are there. A
    picture that cannot be rendered is left out and listed in `failures`; with `strict` it ends the work after those
    before it, as a disk that fills up always does. With `exemplar_picture`, uint8 `[H, W, 3]`, results show it and the
    driving picture, too (`Composer`).

    Raises:
        DynastError: Where not one picture could be made.
    """
    interrupted = False
    keypoints: dict[Path, np.ndarray] = {}
    failures: dict[Path, str] = {}
    written: list[Path] = []
    end: list[str] = []

    def works() -> Iterator[PictureWork]:
        for name in source:
            try:
                drawer, number = drawer_for(name)
                composer = Composer(drawer, exemplar_picture)
                work = _picture_work(composer, source.read(name), name, number)
            except DynastError as error:
                failures[name] = str(error)
                if strict:
                    return
                continue
            yield work

    def write(work: PictureWork, image: np.ndarray) -> None:
        sink.write(work.name, work.composer.compose(image, work.picture))
        written.append(work.name)
        if work.keypoints is not None:
            keypoints[work.name] = work.keypoints

    with StopRequest(say_stopping) as stop, Progress("pictures", len(source)) as progress:
        try:
            render_works(engine, exemplar, works(), write, batch=batch, progress=progress, stop=stop)
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
    rows = [keypoints.get(name, no_person()) for name in source if name in done]
    return Report(
        len(written),
        stopped,
        [],
        Poses(np.stack(rows)) if keypoints else None,
        stop.signal or (signal.SIGINT if interrupted else 0),
        (*failures.values(), *end),
        len(written) == len(source),
        tuple(sink.output_of(name) for name in written),
    )


def _picture_work(composer: Composer, picture: np.ndarray, name: Path, number: int) -> PictureWork:
    drawer = composer.drawer
    drawn = drawer.draw(picture, number)
    if drawn.empty and drawer.source is not None:
        words = drawer.source.words
        raise DynastError(
            f"{name}: {words.absent} detected in it; leave it out or give its {words.wanted} with --{words.option}"
        )
    shown = drawer.shown(picture, drawn)
    return PictureWork(composer.kept(shown), drawn.condition, drawn.keypoints, name, composer)


def _nothing_rendered(failures: list[str]) -> str:
    more = f" (and {len(failures) - 1} more pictures cannot be rendered)" if len(failures) > 1 else ""
    return f"{failures[0]}{more}"
