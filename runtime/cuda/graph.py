"""CUDA graphs: what was given to a stream once, launched again with one call.

pycuda has none, so `cuda.bindings` captures them on the handle of pycuda's stream; its driver interface, which does not
mind which CUDA it was built for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dynast_deploy.errors import DynastError


class CaptureRefused(Exception):
    """No graph can be made of this work; it still runs as it is."""


def capture(stream: int, work: Callable[[], None]) -> Graph:
    """What `work` gives to the stream of this handle, as a graph; nothing of it runs.

    The stream is usable again however it ends.

    Raises:
        CaptureRefused: Where no graph can be made of it.
    """
    try:
        from cuda.bindings import driver as bindings
    except ImportError as error:
        raise CaptureRefused(f"cuda-bindings does not load ({error}): pip install cuda-bindings") from None
    try:
        with _capturing(bindings, stream) as captured:
            work()
        return Graph(bindings, *captured)
    except (RuntimeError, DynastError) as error:
        raise CaptureRefused(str(error)) from error


class Graph:
    """A captured graph, ready to launch."""

    def __init__(self, bindings: Any, captured: Any) -> None:
        """`captured` is consumed.

        Raises:
            RuntimeError: Where CUDA refuses it.
        """
        self._bindings = bindings
        try:
            (self._launchable,) = _checked(bindings, bindings.cuGraphInstantiate(captured, 0))
        finally:
            _checked(bindings, bindings.cuGraphDestroy(captured))

    def launch(self, stream: int) -> None:
        """Give the graph to the stream of this handle.

        Raises:
            RuntimeError: Where CUDA fails.
        """
        _checked(self._bindings, self._bindings.cuGraphLaunch(self._launchable, stream))

    def free(self) -> None:
        """Release the graph."""
        _checked(self._bindings, self._bindings.cuGraphExecDestroy(self._launchable))


@contextmanager
def _capturing(bindings: Any, stream: int) -> Iterator[list[Any]]:
    """Work given to `stream` inside is captured; the list holds the graph afterwards."""
    # Other threads may go on allocating; the mode minds this thread's calls alone.
    mode = bindings.CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL
    _checked(bindings, bindings.cuStreamBeginCapture(stream, mode))
    captured: list[Any] = []
    try:
        yield captured
    except BaseException:
        status, graph = bindings.cuStreamEndCapture(stream)
        if status == bindings.CUresult.CUDA_SUCCESS:
            bindings.cuGraphDestroy(graph)
        raise
    captured += _checked(bindings, bindings.cuStreamEndCapture(stream))


def _checked(bindings: Any, result: tuple[Any, ...]) -> list[Any]:
    """What a call gave besides its status.

    Raises:
        RuntimeError: Where the status is an error.
    """
    status, *values = result
    if status != bindings.CUresult.CUDA_SUCCESS:
        raise RuntimeError(f"CUDA says {status.name}")
    return values
