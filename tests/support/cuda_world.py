"""The GPU of `cuda_stand_in`: its memory, the contexts on it, what belongs to them, and the faults that it finds."""

from __future__ import annotations

import random
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cuda_stand_in import Stream


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
