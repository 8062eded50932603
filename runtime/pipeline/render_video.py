"""The job on a video: frames of a source in, conditions drawn, images rendered, pictures out to a sink."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints import Poses
from dynast_deploy.media.frame_sink import FrameSink
from dynast_deploy.media.frame_source import FrameSource, SourceEnd
from dynast_deploy.progress import Progress
from dynast_deploy.runtime.engine import EncodedExemplar, Engine
from dynast_deploy.runtime.pipeline.absence import absence_note, check_anybody, check_before
from dynast_deploy.runtime.pipeline.compose import Composer
from dynast_deploy.runtime.pipeline.condition_drawer import ConditionDrawer
from dynast_deploy.runtime.pipeline.frame_loop import FrameWork, render_works
from dynast_deploy.runtime.pipeline.report import Report, say_stopping
from dynast_deploy.size import Size
from dynast_deploy.stop_request import StopRequest


def render_video(
    engine: Engine,
    exemplar: EncodedExemplar,
    drawer: ConditionDrawer,
    composer: Composer,
    source: FrameSource,
    open_sink: Callable[[Size], FrameSink],
    batch: int = 1,
) -> Report:
    """Render every frame of a source that nothing was read of, same times, sound kept.

    `open_sink` is called with the size of the pictures, once it is certain that there will be some.

    Ctrl-C and the other signals of `StopRequest` end the output with the frames done so far, playable; so does what
    turns out to be wrong with the source in mid-run. What a sink leaves that is not whole replaces nothing
    (`FrameSink.finish`).

    Raises:
        DynastError: Where there is no frame to keep: for what is wrong with the source before the first one, and where
            the output cannot be written.
    """
    keypoints: list[np.ndarray] = []
    faults: list[DynastError] = []
    interrupted, dropped = False, 0
    with ExitStack() as stack:
        check_before(drawer, source)
        drawer.look_ahead(source.size)
        stop = stack.enter_context(StopRequest(say_stopping))
        sink = stack.enter_context(open_sink(composer.size(source.size)))
        progress = stack.enter_context(Progress(source.name, source.frame_count))

        def works() -> Iterator[FrameWork]:
            try:
                for frame in source:
                    drawn = drawer.draw(frame.picture, frame.index)
                    picture = drawer.shown(frame.picture, drawn)
                    yield FrameWork(picture, drawn.condition, drawn.keypoints, frame)
            except DynastError as error:
                faults.append(error)

        def write(work: FrameWork, image: np.ndarray) -> None:
            frame = work.frame
            sink.write(composer.compose(image, work.picture), frame.time, frame.duration, frame.captured)
            if work.keypoints is not None:
                keypoints.append(work.keypoints)

        try:
            dropped = render_works(
                engine,
                exemplar,
                works(),
                write,
                batch=batch,
                progress=progress,
                stop=stop,
                policy=source.policy,
            )
        except KeyboardInterrupt:
            interrupted = True
        except Exception:
            _keep_what_is_done(sink)
            raise
        stopped = interrupted or bool(stop.signal)
        if faults and not sink.frames:
            raise faults[0]
        whole = not (stopped or faults)
        if whole:
            check_anybody(drawer, progress.done + dropped, source)
        if sink.frames or not stopped:
            sink.finish(cut_sound=not whole)
        else:
            sink.abort()
    # Poses or parts left over are a fault, unless the video ended before its stated length.
    if whole and source.end is SourceEnd.COMPLETE:
        try:
            drawer.check_frames(progress.done + dropped)
        except DynastError as error:
            faults.append(error)
    late = f"{dropped} frames came too fast to be rendered" if dropped else None
    notes = [source.warning, late, sink.note, drawer.note, absence_note(drawer)]
    outputs = tuple(sink.outputs) if sink.frames else ()
    return Report(
        sink.frames,
        stopped,
        [note for note in notes if note],
        Poses(np.stack(keypoints), source.size) if keypoints else None,
        stop.signal or (signal.SIGINT if interrupted else 0),
        tuple(map(str, faults)),
        whole,
        outputs,
        outputs[0] if outputs else None,
    )


def _keep_what_is_done(sink: FrameSink) -> None:
    if sink.is_open and sink.frames:
        sink.finish(cut_sound=True)
        for output in sink.outputs:
            print(f"{output}: the {sink.frames} frames before the fault are kept", file=sys.stderr)
