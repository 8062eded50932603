"""Context, memory, streams and events of a GPU, by pycuda.

pycuda releases what was made under a context only in a thread where that very context object is current; elsewhere it
keeps it for ever. And it ends the process when a thread ends that has a context pushed. So a process has one context
object for a GPU (its primary context, which TensorRT and other libraries use too), and `Gpu.current` pushes it on
entering and pops it on leaving, in whichever thread that is. What belongs together is held by one `DeviceResources`,
whose `close` releases it at once; nothing waits for the garbage collector, which may run in any thread and at any time.
"""

from __future__ import annotations

import atexit
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.cuda.graph import Graph, capture
from dynast_deploy.runtime.cuda.library import import_driver

NON_BLOCKING = 1
"""CU_STREAM_NON_BLOCKING of cuda.h: no implicit waiting for the legacy stream, on which others may work."""

_lock = threading.Lock()
_gpus: dict[int, Gpu] = {}


class Closeable(Protocol):
    """What can be released; safe to call again."""

    def close(self) -> None:
        """Release it."""
        ...


def open_gpu(index: int = 0) -> Gpu:
    """The process's only object for a GPU; closed at exit, after everything that is still held on it.

    Raises:
        DynastError: Where pycuda, the driver or a GPU is missing.
    """
    with _lock:
        if index not in _gpus:
            _gpus[index] = Gpu(import_driver(), index)
            if len(_gpus) == 1:
                atexit.register(close_gpus)
        return _gpus[index]


def close_gpus() -> None:
    """Release everything that is held on any GPU, the youngest first, and the contexts."""
    atexit.unregister(close_gpus)
    with _lock:
        gpus = list(_gpus.values())
        _gpus.clear()
    for gpu in gpus:
        gpu.close()


class Gpu:
    """name: as the driver gives it; compute_capability: such as "8.9"."""

    def __init__(self, driver: Any, index: int) -> None:
        device = driver.Device(index)
        self.name: str = device.name()
        self.compute_capability = ".".join(map(str, device.compute_capability()))
        self.driver = driver
        self._context = device.retain_primary_context()
        self._thread = threading.local()
        self._retired: deque[Closeable] = deque()
        self._held: dict[int, DeviceResources] = {}
        self._closed = False

    @contextmanager
    def current(self) -> Iterator[None]:
        """The context is this thread's current one inside; may be nested. What was retired is released on leaving."""
        depth = getattr(self._thread, "depth", 0)
        if depth:
            yield
            return
        self._context.push()
        self._thread.depth = 1
        try:
            yield
        finally:
            try:
                while self._retired:
                    with suppress(IndexError):  # another thread may have taken it
                        self._retired.popleft().close()
            finally:
                self._thread.depth = 0
                self._context.pop()

    def retire(self, thing: Closeable) -> None:
        """Close `thing` now, or, where this thread is in the middle of something, when that is done.

        For finalizers: the garbage collector may call them while a graph is being captured, which would spoil it.
        """
        if self._closed:
            return
        self._retired.append(thing)
        if not getattr(self._thread, "depth", 0):
            with self.current():
                pass

    def memory(self) -> tuple[int, int]:
        """Free and total bytes."""
        with self.current():
            free, total = self.driver.mem_get_info()
            return free, total

    def close(self) -> None:
        """Wait for what runs, then release everything that is still held here, and the context."""
        with self.current():
            self._context.synchronize()
            for resources in reversed(list(self._held.values())):
                resources.close()
        self._closed = True
        # Detached while it is current, or pycuda would leave it to the thread that retained it, which may have ended.
        self._context.push()
        self._context.detach()

    def hold(self, resources: DeviceResources) -> None:
        """Keep track of resources, so that `close` releases them."""
        self._held[id(resources)] = resources

    def forget(self, resources: DeviceResources) -> None:
        """The opposite of `hold`."""
        self._held.pop(id(resources), None)


class Buffer:
    """Bytes on the GPU."""

    def __init__(self, gpu: Gpu, size: int) -> None:
        self.size = size
        try:
            self._allocation = gpu.driver.mem_alloc(size)
        except gpu.driver.MemoryError:
            free, total = gpu.driver.mem_get_info()
            raise DynastError(
                f"the GPU has no room for {size / 1e6:.0f} MB more ({free / 1e6:.0f} of {total / 1e6:.0f} MB are "
                "free); render fewer frames at once, keep fewer exemplars, or end what else uses the GPU"
            ) from None
        self.address = int(self._allocation)

    def free(self) -> None:
        """Release the bytes."""
        self._allocation.free()


class Stream:
    """Work in order; different streams overlap, but for the events they wait for."""

    def __init__(self, gpu: Gpu) -> None:
        self._driver = gpu.driver
        self._stream = gpu.driver.Stream(NON_BLOCKING)
        self.handle: int = self._stream.handle

    def upload(self, target: Buffer, source: np.ndarray) -> None:
        """Copy pinned memory to the GPU, when the stream gets there; `source` must stay as it is until then.

        Arrays may have any shape.
        """
        self._driver.memcpy_htod_async(target.address, source, self._stream)

    def download(self, target: np.ndarray, source: Buffer) -> None:
        """Copy from the GPU to pinned memory, which has it once an event recorded after this has happened.

        Arrays may have any shape.
        """
        self._driver.memcpy_dtoh_async(target, source.address, self._stream)

    def record(self, event: Event) -> None:
        """`event` happens when the stream has done what it was given so far."""
        event.event.record(self._stream)

    def wait(self, event: Event) -> None:
        """What is given from now on waits for `event`, as last recorded."""
        self._stream.wait_for_event(event.event)

    def call(self, kernel: Any, blocks: int, threads: int, *arguments: Any) -> None:
        """Launch a kernel of `DeviceResources.kernel`; arguments are NumPy numbers of the types that it takes."""
        kernel(*arguments, grid=(blocks, 1, 1), block=(threads, 1, 1), stream=self._stream)

    def synchronize(self) -> None:
        """Wait here until everything given to the stream is done."""
        self._stream.synchronize()

    def capture(self, work: Callable[[], None]) -> Graph:
        """What `work` gives to this stream as a graph; nothing of it runs.

        Raises:
            CaptureRefused: Where no graph can be made of it.
        """
        return capture(self.handle, work)

    def launch(self, graph: Graph) -> None:
        """Give a captured graph to the stream."""
        graph.launch(self.handle)

    def free(self) -> None:
        """Release the stream."""
        self._stream = None


class Event:
    """A place in a stream's work."""

    def __init__(self, gpu: Gpu) -> None:
        flags = gpu.driver.event_flags
        self.event = gpu.driver.Event(flags.DISABLE_TIMING | flags.BLOCKING_SYNC)

    def synchronize(self) -> None:
        """Wait here until it has happened, as last recorded."""
        self.event.synchronize()

    def free(self) -> None:
        """Release the event."""
        self.event = None


class DeviceResources:
    """What belongs together on a GPU, released together, the youngest first."""

    def __init__(self, gpu: Gpu) -> None:
        self.gpu = gpu
        self._release: list[Callable[[], None]] = []
        self.closed = False
        gpu.hold(self)

    def buffer(self, size: int) -> Buffer:
        """`size` bytes on the GPU.

        Raises:
            DynastError: Where there is no room.
        """
        buffer = Buffer(self.gpu, size)
        self._release.append(buffer.free)
        return buffer

    def pinned(self, shape: tuple[int, ...], dtype: str) -> np.ndarray:
        """Page-locked memory, which the GPU reads and writes by itself. No view of it may outlive the resources."""
        array: np.ndarray = self.gpu.driver.pagelocked_empty(shape, dtype)
        self._release.append(array.base.free)  # type: ignore[union-attr]
        return array

    def stream(self) -> Stream:
        """A new stream."""
        stream = Stream(self.gpu)
        self._release.append(stream.free)
        return stream

    def event(self) -> Event:
        """A new event."""
        event = Event(self.gpu)
        self._release.append(event.free)
        return event

    def kernel(self, ptx: bytes, name: str) -> Any:
        """A kernel out of PTX, for `Stream.call`."""
        loaded = [self.gpu.driver.module_from_buffer(ptx)]
        function = loaded[0].get_function(name)
        self._release.append(loaded.clear)
        return function

    def keep(self, release: Callable[[], None]) -> None:
        """Call `release` on closing."""
        self._release.append(release)

    @contextmanager
    def close_on_error(self) -> Iterator[None]:
        """Closes the resources if what is to fill them fails."""
        with self.gpu.current():
            try:
                yield
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Release everything; nothing of it may be in use on the GPU any more."""
        self.closed = True
        self.gpu.forget(self)
        with self.gpu.current():
            while self._release:
                self._release.pop()()
