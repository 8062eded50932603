"""The modules `pycuda.driver` and `cuda.bindings.driver` of a GPU that is a stand-in (`cuda_stand_in`)."""

from __future__ import annotations

import enum
import threading
import types
from collections.abc import Callable

import numpy as np
from cuda_stand_in import DeviceAllocation, Event, Module, PinnedAllocation, Stream
from cuda_world import Context, CudaError, LogicError, OutOfMemory, World


class EventFlags(enum.IntFlag):
    DEFAULT = 0
    BLOCKING_SYNC = 1
    DISABLE_TIMING = 2


def pycuda_driver(world: World) -> types.ModuleType:
    """`pycuda.driver`."""

    class Device:
        def __init__(self, index: int) -> None:
            assert index == 0

        @staticmethod
        def count() -> int:
            return 1

        def name(self) -> str:
            return world.name

        def compute_capability(self) -> tuple[int, int]:
            return world.compute_capability

        def retain_primary_context(self) -> Context:
            return Context(world)

    def memcpy_htod_async(dest: int, src: np.ndarray, stream: Stream) -> None:
        world.called("memcpy_htod_async")
        if not isinstance(src.base, PinnedAllocation):
            raise world.fault("an asynchronous copy from memory that is not pinned")

        def copy() -> None:
            world.bytes_at(dest, src.nbytes)[:] = src.reshape(-1).view(np.uint8)

        stream.give(copy)

    def memcpy_dtoh_async(dest: np.ndarray, src: int, stream: Stream) -> None:
        world.called("memcpy_dtoh_async")
        if not isinstance(dest.base, PinnedAllocation):
            raise world.fault("an asynchronous copy to memory that is not pinned")

        def copy() -> None:
            dest.reshape(-1).view(np.uint8)[:] = world.bytes_at(src, dest.nbytes)

        stream.give(copy)

    def mem_get_info() -> tuple[int, int]:
        used = sum(each.data.size for each in world.allocations.values())
        return world.memory - used, world.memory

    module = types.ModuleType("pycuda.driver")
    module.__dict__.update(
        init=lambda: None,
        get_version=lambda: (12, 9, 0),
        Device=Device,
        Error=CudaError,
        MemoryError=OutOfMemory,
        LogicError=LogicError,
        event_flags=EventFlags,
        mem_alloc=lambda size: DeviceAllocation(world, size),
        mem_get_info=mem_get_info,
        module_from_buffer=lambda buffer: Module(world),
        pagelocked_empty=lambda shape, dtype: np.asarray(PinnedAllocation(world, shape, dtype)),
        Stream=lambda flags=0: Stream(world, flags),
        Event=lambda flags=0: Event(world, flags),
        memcpy_htod_async=memcpy_htod_async,
        memcpy_dtoh_async=memcpy_dtoh_async,
    )
    return module


class CUresult(enum.IntEnum):
    CUDA_SUCCESS = 0
    CUDA_ERROR_STREAM_CAPTURE_INVALIDATED = 901


class CUstreamCaptureMode(enum.IntEnum):
    CU_STREAM_CAPTURE_MODE_GLOBAL = 0
    CU_STREAM_CAPTURE_MODE_THREAD_LOCAL = 1
    CU_STREAM_CAPTURE_MODE_RELAXED = 2


def cuda_bindings(world: World) -> types.ModuleType:
    """`cuda.bindings.driver`."""
    ok = CUresult.CUDA_SUCCESS

    def begin(stream: int, mode: CUstreamCaptureMode) -> tuple[CUresult]:
        world.called("cuStreamBeginCapture")
        if mode != CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL:
            raise world.fault("other threads' allocations would spoil this capture")
        world.streams[stream].capturing_in = threading.current_thread()
        world.streams[stream].captured = []
        world.streams[stream].invalid = world.refuse_capture
        return (ok,)

    def end(handle: int) -> tuple[CUresult, int]:
        world.called("cuStreamEndCapture")
        stream = world.streams[handle]
        if stream.capturing_in is not threading.current_thread():
            raise world.fault("a capture is ended by the thread that began it")
        stream.capturing_in = None
        if stream.invalid:
            return CUresult.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, 0
        return ok, graph(stream.captured)

    def graph(work: list[Callable[[], None]]) -> int:
        number = world.number()
        world.graphs[number] = work
        return number

    def instantiate(number: int, flags: int) -> tuple[CUresult, int]:
        world.called("cuGraphInstantiate")
        return ok, graph(world.graphs[number])

    def launch(number: int, stream: int) -> tuple[CUresult]:
        world.called("cuGraphLaunch")
        for work in world.graphs[number]:
            world.streams[stream].give(work)
        return (ok,)

    def destroy(number: int) -> tuple[CUresult]:
        world.called("destroy graph")
        del world.graphs[number]
        return (ok,)

    module = types.ModuleType("cuda.bindings.driver")
    module.__dict__.update(
        CUresult=CUresult,
        CUstreamCaptureMode=CUstreamCaptureMode,
        cuStreamBeginCapture=begin,
        cuStreamEndCapture=end,
        cuGraphInstantiate=instantiate,
        cuGraphLaunch=launch,
        cuGraphDestroy=destroy,
        cuGraphExecDestroy=destroy,
    )
    return module


def modules(world: World) -> dict[str, types.ModuleType]:
    """For `sys.modules`."""
    made = {name: types.ModuleType(name) for name in ("pycuda", "cuda", "cuda.bindings")}
    made["pycuda.driver"] = made["pycuda"].driver = pycuda_driver(world)  # type: ignore[attr-defined]
    made["cuda.bindings.driver"] = made["cuda.bindings"].driver = cuda_bindings(world)  # type: ignore[attr-defined]
    made["cuda"].bindings = made["cuda.bindings"]  # type: ignore[attr-defined]
    return made
