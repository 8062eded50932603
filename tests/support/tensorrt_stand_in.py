"""A stand-in for TensorRT's runtime, on a GPU that is one too (`cuda_stand_in`).

A "plan" is JSON that names its tensors. The encoder it stands for sums up what it is given, the renderer adds that to
the condition: enough to tell which memory was read, when, and by which frame. What TensorRT requires of its caller is
a `Fault` where it is not kept: shapes set before addresses are used, every tensor at a living address with room for
it, one thread and one stream for a context, one context for a thread at a time, contexts gone before their engine.
"""

from __future__ import annotations

import enum
import itertools
import json
import math
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from cuda_world import World

from dynast_deploy.formats.manifest import Manifest, TensorSpec


def plan_bytes(inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], most: int = 1) -> bytes:
    tensors = [
        [spec.name, mode, spec.dtype, spec.shape] for mode in (0, 1) for spec in (inputs, outputs)[mode]
    ]
    return json.dumps({"tensors": tensors, "most": most}).encode()


def plans_of(manifest: Manifest) -> tuple[bytes, bytes]:
    """The encoder and the renderer that a manifest describes."""
    return (
        plan_bytes(manifest.encoder_inputs, manifest.encoder_outputs),
        plan_bytes(manifest.renderer_inputs, manifest.renderer_outputs, manifest.batch.max),
    )


def network(inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray]) -> None:
    """What a plan computes: the renderer's images depend on their own condition and on every cut tensor."""
    sums = {name: array.astype(np.float64).sum() for name, array in inputs.items() if name != "condition"}
    if "image" in outputs:
        frames = inputs["condition"].astype(np.float64).reshape(len(inputs["condition"]), -1).sum(1)
        values = frames + sum(number * total for number, total in enumerate(sums.values(), 1))
        outputs["image"][:] = (values % 251).reshape(-1, 1, 1, 1)
    else:
        for number, output in enumerate(outputs.values(), 1):
            output[:] = (sum(sums.values()) + number) % 13


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1
    INT8 = 2
    INT32 = 3
    BOOL = 4
    UINT8 = 5
    BF16 = 7


NUMPY = {
    DataType.FLOAT: "float32",
    DataType.HALF: "float16",
    DataType.UINT8: "uint8",
    DataType.INT32: "int32",
}


class TensorIOMode(enum.Enum):
    NONE = 0
    INPUT = 1
    OUTPUT = 2


class ILogger:
    class Severity(enum.Enum):
        INTERNAL_ERROR = 0
        ERROR = 1
        WARNING = 2
        INFO = 3
        VERBOSE = 4

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        raise NotImplementedError


class Logger(ILogger):
    """The library's own, which prints."""

    def log(self, severity: ILogger.Severity, msg: str) -> None:
        print(severity, msg)


class Failures:
    """What shall fail, by the name of the call; the message is logged."""

    def __init__(self) -> None:
        self.messages: dict[str, list[str]] = {}
        self.in_capture: str | None = None

    def fails(self, call: str, logger: ILogger) -> bool:
        for message in self.messages.get(call, []):
            logger.log(ILogger.Severity.ERROR, message)
        return call in self.messages


class Living:
    """An object of the library that must go before what it was made by."""

    def __init__(self, world: World, kind: str, maker: Living | None) -> None:
        world.called(kind)
        world.not_while_capturing(kind)
        self.world, self.kind, self.maker, self.number = world, kind, maker, world.number()
        self.children = 0
        if maker is not None:
            maker.children += 1
        world.born(kind, self.number)

    def __del__(self) -> None:
        if not hasattr(self, "children"):
            return
        if self.children:
            self.world.fault(f"{self.kind} goes before what it made")
        if self.maker is not None:
            self.maker.children -= 1
        if not self.world.stacks.get(threading.current_thread()):
            self.world.fault(f"{self.kind} goes where no context is current")
        self.world.died(self.kind, self.number)


class Runtime(Living):
    def __init__(self, world: World, failures: Failures, logger: ILogger) -> None:
        super().__init__(world, "runtime", None)
        self.failures, self.logger = failures, logger
        self.engine_host_code_allowed = False

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Engine | None:
        if self.failures.fails("deserialize_cuda_engine", self.logger):
            return None
        return Engine(self, json.loads(bytes(serialized_engine)))


class Engine(Living):
    def __init__(self, runtime: Runtime, plan: dict[str, Any]) -> None:
        super().__init__(runtime.world, "engine", runtime)
        self.failures, self.logger = runtime.failures, runtime.logger
        self.tensors = {name: (mode, dtype, tuple(shape)) for name, mode, dtype, shape in plan["tensors"]}
        self.most = plan["most"]

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return (TensorIOMode.INPUT, TensorIOMode.OUTPUT)[self.tensors[name][0]]

    def get_tensor_dtype(self, name: str) -> DataType:
        return next(kind for kind, numpy in NUMPY.items() if numpy == self.tensors[name][1])

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.tensors[name][2]

    def create_execution_context(self) -> ExecutionContext | None:
        if self.failures.fails("create_execution_context", self.logger):
            return None
        return ExecutionContext(self)


class ExecutionContext(Living):
    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.world, "execution context", engine)
        self.engine = engine
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.addresses: dict[str, int] = {}
        self.stream: int | None = None
        self.set_up = False
        self.in_use = threading.Lock()

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        mode, _, stated = self.engine.tensors[name]
        fits = all(side in (want, -1) or want == -1 for side, want in zip(shape, stated, strict=True))
        if mode or not fits or (stated[0] == -1 and shape[0] > self.engine.most):
            self.engine.logger.log(ILogger.Severity.ERROR, f"{name}: {shape} is outside the profile")
            return False
        self.shapes[name] = shape
        self.set_up = False
        return True

    def infer_shapes(self) -> list[str]:
        return [
            name for name, (mode, _, _) in self.engine.tensors.items() if not mode and name not in self.shapes
        ]

    def set_tensor_address(self, name: str, memory: int) -> bool:
        if name not in self.engine.tensors:
            return False
        self.addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        world, failures, logger = self.world, self.engine.failures, self.engine.logger
        world.called("execute_async_v3")
        if not self.in_use.acquire(blocking=False):
            raise world.fault("two threads use one execution context")
        try:
            stream = world.streams[stream_handle]
            if self.stream not in (None, stream_handle):
                raise world.fault("one execution context runs on two streams")
            self.stream = stream_handle
            if stream.capturing_in is not None and (failures.in_capture or not self.set_up):
                logger.log(
                    ILogger.Severity.ERROR, failures.in_capture or "the context has to be set up first"
                )
                stream.invalid = True
                return False
            if failures.fails("execute_async_v3", logger):
                return False
            stream.give(self.work(dict(self.addresses)))
            self.set_up = True
            return True
        finally:
            self.in_use.release()

    def work(self, addresses: dict[str, int]) -> Callable[[], None]:
        """The plan's work at these addresses, checked now and when it happens."""
        frames = next((shape[0] for name, shape in self.shapes.items() if name == "condition"), 1)
        views = {
            name: (addresses[name], dtype, tuple(frames if side == -1 else side for side in shape))
            for name, (_, dtype, shape) in self.engine.tensors.items()
        }
        modes = {name: mode for name, (mode, _, _) in self.engine.tensors.items()}
        world, living = self.world, (self.kind, self.number)

        def memory(mode: int) -> Iterator[tuple[str, np.ndarray]]:
            for name, (address, dtype, shape) in views.items():
                if modes[name] == mode:
                    size = math.prod(shape) * np.dtype(dtype).itemsize
                    yield name, world.bytes_at(address, size).view(dtype).reshape(shape)

        list(itertools.chain(memory(0), memory(1)))

        # Not `self`: what waits in a stream or a graph does not keep a context alive.
        def run() -> None:
            if living not in world.living:
                raise world.fault("an execution context went while it had work")
            network(dict(memory(0)), dict(memory(1)))

        return run


def module(world: World, failures: Failures, version: str, name: str = "tensorrt") -> types.ModuleType:
    """The library, as far as running plans goes."""

    def runtime(logger: ILogger) -> Runtime:
        if failures.fails("Runtime", logger):
            raise TypeError("pybind11::init(): factory function returned nullptr")
        return Runtime(world, failures, logger)

    made = types.ModuleType(name)
    made.__dict__.update(
        __version__=version,
        DataType=DataType,
        TensorIOMode=TensorIOMode,
        ILogger=ILogger,
        Logger=Logger,
        Runtime=runtime,
    )
    return made
