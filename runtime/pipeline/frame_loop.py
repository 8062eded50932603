"""The loop that every job shares: frames are drawn ahead of the engine, and written behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np

from dynast_deploy.media.frame_source import Frame, Policy
from dynast_deploy.progress import Progress
from dynast_deploy.runtime.engine import EncodedExemplar, Engine
from dynast_deploy.runtime.pipeline.compose import Composer
from dynast_deploy.runtime.pipeline.submit_ahead import render_batches
from dynast_deploy.runtime.pipeline.threads import ReadAhead, WriteBehind
from dynast_deploy.stop_request import StopRequest

T = TypeVar("T")

READ_AHEAD = 8
"""Frames decoded and drawn before the engine asks for them, and as many waiting to be encoded."""


@dataclass(frozen=True)
class Work:
    """One picture on its way through a job.

    picture: what is rendered of the driving picture, uint8 `[h, w, 3]`. condition: uint8 `[S, H, W]`. keypoints: those
    that the condition was drawn from, float32 `[18, 3]`; None where it is drawn from something else.
    """

    picture: np.ndarray
    condition: np.ndarray
    keypoints: np.ndarray | None


@dataclass(frozen=True)
class FrameWork(Work):
    """A frame of a video; `frame` has its times."""

    frame: Frame


@dataclass(frozen=True)
class PictureWork(Work):
    """A picture of its own, by name, and what makes its result."""

    name: Path
    composer: Composer


W = TypeVar("W", bound=Work)


def render_works(
    engine: Engine,
    exemplar: EncodedExemplar,
    works: Iterable[W],
    write: Callable[[W, np.ndarray], object],
    *,
    batch: int,
    progress: Progress,
    stop: StopRequest,
    policy: Policy = Policy.WAIT,
) -> int:
    """Render `works` and hand each of them to `write` with its image `[3, H, W]`, float32 in -1..1 or uint8.

    `works` is iterated in one thread and `write` called in another, in the order of the works; what either raises, or
    the engine, is raised here, after both threads have ended. A signal that `stop` holds ends the loop after the batch
    that is being rendered, and what was rendered is written.

    Returns:
        How many works were dropped because newer ones came before the engine asked; 0 with `Policy.WAIT`.

    Raises:
        DynastError: Where the engine cannot render a condition.
    """
    with (
        ReadAhead(works, READ_AHEAD, policy) as ahead,
        WriteBehind[tuple[W, np.ndarray]](lambda done: write(*done), READ_AHEAD) as behind,
    ):
        groups = ((group, [work.condition for work in group]) for group in _groups(ahead, batch))
        for group, images in render_batches(engine, exemplar, groups):
            for work, image in zip(group, images, strict=True):
                behind.put((work, image))
            progress.advance(len(group))
            if stop.signal:
                break
    return ahead.dropped


def _groups(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while group := list(islice(iterator, size)):
        yield group
