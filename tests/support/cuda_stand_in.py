"""A stand-in for a GPU and what pycuda makes of it, as far as this project uses it (the modules: `cuda_modules`).

It keeps what the real ones keep, and raises `Fault` for what they would punish by a leak, a crash or a wrong picture:

- an object belongs to the context that was current when it was made, and goes only where that context object is
  current, or in the thread that retained it (pycuda's `scoped_context_activation`); a thread may end only with
  nothing pushed;
- a stream's work happens late: when a caller waits for it, or when `World.schedule` orders it. Until then pinned memory
  must not be touched, and the work meets whatever lies at its addresses when it happens;
- an address must lie in a living allocation, with room behind it;
- nothing may be left in the end (`World.check_clean`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from cuda_world import Owned, Ticket, World


class DeviceAllocation(Owned):
    kind = "device memory"

    def __init__(self, world: World, size: int) -> None:
        world.called("mem_alloc")
        world.not_while_capturing("mem_alloc")
        self.allocation = world.allocate(size)
        super().__init__(world)

    def __int__(self) -> int:
        return self.allocation.address

    def free(self) -> None:
        self.world.not_while_capturing("mem_free")
        self.release()
        del self.world.allocations[self.allocation.address]


class PinnedAllocation(Owned):
    kind = "pinned memory"

    def __init__(self, world: World, shape: tuple[int, ...], dtype: str) -> None:
        world.called("pagelocked_empty")
        world.not_while_capturing("pagelocked_empty")
        super().__init__(world)
        self.data = np.full(int(np.prod(shape)) * np.dtype(dtype).itemsize, 0xAB, np.uint8)
        self.interface = self.data.view(dtype).reshape(shape).__array_interface__

    @property
    def __array_interface__(self) -> dict[str, Any]:
        return self.interface

    def free(self) -> None:
        self.release()
        self.data[:] = 0xDD


class Stream(Owned):
    """A queue: a callable is work, a ticket is recorded here, a ticket in a tuple is waited for."""

    kind = "stream"

    def __init__(self, world: World, flags: int) -> None:
        world.called("Stream")
        super().__init__(world)
        if flags != 1:
            raise world.fault("a blocking stream waits for the legacy stream, and spoils captures")
        self.queue: deque[Any] = deque()
        self.handle = 0x5000_0000 + self.number
        self.capturing_in: threading.Thread | None = None
        self.captured: list[Callable[[], None]] = []
        self.invalid = False
        world.streams[self.handle] = self

    def give(self, work: Any) -> None:
        with self.world.lock:
            if self.capturing_in is not None:
                self.captured.append(work)
            else:
                self.queue.append(work)

    def is_ready(self) -> bool:
        return bool(self.queue) and not (isinstance(self.queue[0], tuple) and not self.queue[0][0].happened)

    def step(self) -> None:
        with self.world.lock:
            work = self.queue.popleft()
            if isinstance(work, Ticket):
                work.happened = True
            elif callable(work):
                work()

    def finish(self, ticket: Ticket | None = None) -> None:
        """Work off the queue, or as much of it as `ticket` needs."""
        with self.world.lock:
            while self.queue and not (ticket is not None and ticket.happened):
                head = self.queue[0]
                if isinstance(head, tuple) and not head[0].happened:
                    head[0].stream.finish(head[0])
                self.step()

    def synchronize(self) -> None:
        self.world.called("stream.synchronize")
        self.world.not_while_capturing("synchronize")
        self.finish()

    def wait_for_event(self, event: Event) -> None:
        self.world.called("stream.wait_for_event")
        if event.ticket is not None:
            self.give((event.ticket,))

    def __del__(self) -> None:
        if hasattr(self, "gone"):
            self.release()
            if self.queue:
                self.world.fault("a stream was destroyed while it had work")


class Event(Owned):
    kind = "event"

    def __init__(self, world: World, flags: int) -> None:
        world.called("Event")
        super().__init__(world)
        self.ticket: Ticket | None = None

    def record(self, stream: Stream) -> None:
        self.world.called("event.record")
        self.ticket = Ticket(stream)
        stream.give(self.ticket)

    def synchronize(self) -> None:
        self.world.called("event.synchronize")
        self.world.not_while_capturing("synchronize")
        if self.ticket is not None:
            self.ticket.stream.finish(self.ticket)

    def __del__(self) -> None:
        if hasattr(self, "gone"):
            self.release()


class Module(Owned):
    """Kernels, which are Python functions of `World.kernels` here."""

    kind = "module"

    def get_function(self, name: str) -> Callable[..., None]:
        def launch(*arguments: Any, grid: Any, block: Any, stream: Stream) -> None:
            self.world.called("launch")
            threads = grid[0] * block[0]
            stream.give(lambda: self.world.kernels[name](self.world, threads, *arguments))

        return launch

    def __del__(self) -> None:
        if hasattr(self, "gone"):
            self.release()
