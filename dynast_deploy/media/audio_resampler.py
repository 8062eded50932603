"""Sound as one unbroken run of samples of one kind, gaps filled."""

from __future__ import annotations

from errno import EAGAIN
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.filter import Graph


class EvenSamples:
    """Converts decoded sound to one sample format, layout and rate, and follows its times.

    Silence fills gaps and surplus samples are cut wherever the stated times and the count of samples differ by more
    than a tenth of a second (swresample's `async=1`), so sound of a damaged file does not run ahead of its picture.
    The kind of sound may change from frame to frame, as it does in broadcast recordings.
    """

    def __init__(self, sample_format: str, layout: str, rate: int) -> None:
        self._target = f"sample_fmts={sample_format}:channel_layouts={layout}:sample_rates={rate}"
        self._graph: Graph | None = None
        self._kind: tuple[str, str, int] | None = None

    def push(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """Add a frame (times in 1/rate of its own), or None at the end; returns what is ready."""
        if frame is None:
            return self._drain()
        ready: list[AudioFrame] = []
        kind = (frame.format.name, frame.layout.name, frame.sample_rate)
        if kind != self._kind:
            ready = self._drain()
            self._graph, self._kind = self._build(*kind), kind
        assert self._graph is not None
        self._graph.push(frame)
        return ready + self._pull()

    def _build(self, sample_format: str, layout: str, rate: int) -> Graph:
        from av.filter import Graph

        graph = Graph()
        source = graph.add(
            "abuffer",
            f"sample_fmt={sample_format}:channel_layout={layout}:sample_rate={rate}:time_base=1/{rate}",
        )
        chain = [
            source,
            graph.add("aresample", "async=1"),
            graph.add("aformat", self._target),
            graph.add("abuffersink"),
        ]
        for before, after in pairwise(chain):
            before.link_to(after)
        graph.configure()
        return graph

    def _drain(self) -> list[AudioFrame]:
        if self._graph is None:
            return []
        self._graph.push(None)
        ready = self._pull()
        self._graph = self._kind = None
        return ready

    def _pull(self) -> list[AudioFrame]:
        from av.error import EOFError as EndOfStream
        from av.error import FFmpegError

        ready: list[AudioFrame] = []
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.pull()
            except EndOfStream:
                return ready
            except FFmpegError as error:
                if error.errno != EAGAIN:
                    raise
                return ready
            ready.append(frame)  # type: ignore[arg-type]  # an audio sink gives audio frames
