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

import random
import threading
import weakref
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Fault(AssertionError):
    """What a real GPU would not forgive."""


class CudaError(Exception):
    """`pycuda.driver.Error`."""


class OutOfMemory(CudaError):
    pass


class LogicError(CudaError):
    pass


@dataclass
class Allocation:
    address: int
    data: np.ndarray


@dataclass
class Ticket:
    """One recording of an event."""

    stream: Stream
    happened: bool = False


@dataclass
class World:
    """One GPU and what a process does with it.

    schedule: "late" runs work when it is waited for, "early" as soon as it can, an integer seeds a random order.
    """

    schedule: str | int = "late"
    memory: int = 1 << 30
    compute_capability: tuple[int, int] = (8, 9)
    name: str = "Stand-in GPU"
    refuse_capture: bool = False
    faults: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    living: list[tuple[str, int]] = field(default_factory=list)
    allocations: dict[int, Allocation] = field(default_factory=dict)
    stacks: dict[threading.Thread, list[Context]] = field(default_factory=dict)
    streams: weakref.WeakValueDictionary[int, Stream] = field(default_factory=weakref.WeakValueDictionary)
    kernels: dict[str, Callable[..., None]] = field(default_factory=dict)
    graphs: dict[int, list[Callable[[], None]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._numbers = iter(range(1, 1 << 30))
        self._random = random.Random(self.schedule if isinstance(self.schedule, int) else 0)
        self._next_address = 0x7F00_0000_0000
        self.lock = threading.RLock()

    def fault(self, message: str) -> Fault:
        self.faults.append(message)
        return Fault(message)

    def number(self) -> int:
        return next(self._numbers)

    def called(self, name: str) -> None:
        """Every call: it needs a current context, and may find that the GPU has got on with its work."""
        self.calls.append(name)
        self.current_context()
        if self.schedule == "late":
            return
        with self.lock:
            while ready := [stream for stream in list(self.streams.values()) if stream.is_ready()]:
                if self.schedule != "early" and self._random.random() < 0.5:
                    return
                self._random.choice(ready).step()

    def current_context(self) -> Context:
        stack = self.stacks.setdefault(threading.current_thread(), [])
        if not stack:
            raise LogicError("no currently active context?")
        return stack[-1]

    def not_while_capturing(self, name: str) -> None:
        if any(stream.capturing_in is threading.current_thread() for stream in list(self.streams.values())):
            raise self.fault(f"{name} while this thread captures a graph")

    def born(self, kind: str, number: int) -> None:
        self.living.append((kind, number))

    def died(self, kind: str, number: int) -> None:
        self.living.remove((kind, number))

    def allocate(self, size: int) -> Allocation:
        if sum(each.data.size for each in list(self.allocations.values())) + size > self.memory:
            raise OutOfMemory("cuMemAlloc failed: out of memory")
        with self.lock:
            allocation = Allocation(self._next_address, np.full(size, 0xCD, np.uint8))
            self._next_address += (size // 256 + 2) * 256
            self.allocations[allocation.address] = allocation
        return allocation

    def bytes_at(self, address: int, size: int) -> np.ndarray:
        """A view of device memory."""
        for allocation in list(self.allocations.values()):
            offset = address - allocation.address
            if offset >= 0 and offset + size <= allocation.data.size:
                return allocation.data[offset : offset + size]
        raise self.fault(f"{size} bytes at {address:#x} are not in a living allocation")

    def check_clean(self) -> None:
        """Nothing is left, and nothing went wrong that somebody may have caught."""
        assert not self.faults
        assert not self.living, self.living
        assert not self.allocations
        assert not self.graphs
        assert all(not stack for stack in self.stacks.values())


class Context:
    """pycuda's object for a primary context."""

    def __init__(self, world: World) -> None:
        self.world, self.thread, self.number = world, threading.current_thread(), world.number()
        self.valid = True
        world.born("context", self.number)

    def push(self) -> None:
        if not self.valid:
            raise self.world.fault("pushed a context that was detached")
        self.world.stacks.setdefault(threading.current_thread(), []).append(self)

    def pop(self) -> None:
        if not self.world.stacks.get(threading.current_thread()):
            raise LogicError("cannot pop non-current context")
        self.world.stacks[threading.current_thread()].pop()

    def detach(self) -> None:
        stack = self.world.stacks.get(threading.current_thread(), [])
        if not stack or stack[-1] is not self:
            raise self.world.fault(
                "detached a context that is not current: only its own thread could release it"
            )
        self.valid = False
        stack[:] = [context for context in stack if context is not self]
        self.world.died("context", self.number)

    def synchronize(self) -> None:
        self.world.called("context.synchronize")
        self.world.not_while_capturing("synchronize")
        for stream in list(self.world.streams.values()):
            stream.finish()


class Owned:
    """What belongs to a context."""

    kind = ""

    def __init__(self, world: World) -> None:
        self.world, self.context, self.number = world, world.current_context(), world.number()
        world.born(self.kind, self.number)
        self.gone = False

    def release(self) -> None:
        """Where pycuda could not activate the context it would leak; and it frees twice without mercy."""
        if self.gone:
            raise self.world.fault(f"{self.kind} freed twice")
        stack = self.world.stacks.get(threading.current_thread(), [])
        if (
            not (stack and stack[-1] is self.context)
            and threading.current_thread() is not self.context.thread
        ):
            raise self.world.fault(f"{self.kind} in out-of-thread context could not be cleaned up")
        if not self.context.valid:
            raise self.world.fault(f"{self.kind} outlives its context")
        self.gone = True
        self.world.died(self.kind, self.number)


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
