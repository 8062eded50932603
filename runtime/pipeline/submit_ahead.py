"""Rendering one group of frames after another, the next one given to the engine before the last one is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from dynast_deploy.runtime.engine import Asynchronous, EncodedExemplar, Engine, Pending, RendersBytes

T = TypeVar("T")


def render_batches(
    engine: Engine, exemplar: EncodedExemplar, groups: Iterable[tuple[T, Sequence[np.ndarray]]]
) -> Iterator[tuple[T, np.ndarray]]:
    """For each of `groups`, something and conditions `[S, H, W]`: the same thing and its images `[N, 3, H, W]`.

    Conditions are uint8. Images are float32 in -1..1, or uint8 from an engine that makes those on its device.
    """
    if not isinstance(engine, Asynchronous):
        render = engine.render_bytes if isinstance(engine, RendersBytes) else engine.render
        for item, conditions in groups:
            yield item, render(exemplar, np.stack(conditions))
        return
    last: tuple[T, Pending] | None = None
    for item, conditions in groups:
        pending = engine.submit(exemplar, np.stack(conditions))
        if last is not None:
            yield last[0], last[1].result()
        last = item, pending
    if last is not None:
        yield last[0], last[1].result()
