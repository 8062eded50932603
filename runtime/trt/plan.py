"""A deserialised plan of TensorRT or TensorRT-RTX, whichever made it, and its contexts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.formats.manifest import PlanKind, TensorSpec
from dynast_deploy.runtime.cuda.device import Stream
from dynast_deploy.tensorrt_library import Messages, messages_of

if TYPE_CHECKING:
    import tensorrt as trt

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "UINT8": "uint8", "INT8": "int8", "INT32": "int32",
    "INT64": "int64", "BOOL": "bool",
}  # fmt: skip
"""TensorRT's names of types, and those of manifests."""


class Plan:
    """One deserialised plan, as TensorRT holds it on the GPU that is current.

    Thread-safe; the contexts it makes are not.
    """

    def __init__(self, trt: Any, kind: PlanKind, source: str, serialized: Any, host_code: bool) -> None:
        """`source` is what errors call it; `host_code` allows the library to run code that the plan brings along."""
        self._messages = messages_of(trt)
        self._source = source
        try:
            self._runtime: trt.Runtime = trt.Runtime(self._messages.logger)
        except TypeError:  # what the bindings make of a null pointer
            raise self._messages.failure(
                f"{source}: {kind.library} does not start here, see `dynast doctor`"
            ) from None
        if host_code:
            self._runtime.engine_host_code_allowed = True
        engine: trt.ICudaEngine | None = self._runtime.deserialize_cuda_engine(serialized)
        if engine is None:
            del self._runtime
            raise self._messages.failure(f"{source}: {kind.library} does not accept the plan")
        self._engine: trt.ICudaEngine = engine
        self.inputs = self._tensors(trt.TensorIOMode.INPUT)
        self.outputs = self._tensors(trt.TensorIOMode.OUTPUT)

    def _tensors(self, mode: Any) -> dict[str, TensorSpec]:
        engine = self._engine
        names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
        return {
            name: TensorSpec(
                name, _DTYPES[engine.get_tensor_dtype(name).name], tuple(engine.get_tensor_shape(name))
            )
            for name in names
            if engine.get_tensor_mode(name) == mode
        }

    def context(self, frames: int) -> Context:
        """A context for so many frames, which it keeps: changed shapes make TensorRT's plugins leak modules.

        Raises:
            DynastError: Where there is no room for it, or the plan takes no such number.
        """
        created: trt.IExecutionContext | None = self._engine.create_execution_context()
        if created is None:
            raise self._messages.failure(f"{self._source}: no room on the GPU to run {frames} frames at once")
        context = Context(created, self._messages, self._source)
        del created
        try:
            context.set_shapes({name: shape_of(spec, frames) for name, spec in self.inputs.items()})
        except BaseException:
            context.close()
            raise
        return context

    def close(self) -> None:
        """Release it; its contexts must be gone."""
        del self._engine
        del self._runtime


class Context:
    """Runs a plan for one number of frames. One thread at a time."""

    def __init__(self, context: trt.IExecutionContext, messages: Messages, source: str) -> None:
        self._context: trt.IExecutionContext = context
        self._messages, self._source = messages, source

    def set_shapes(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """State the shape of every input.

        Raises:
            DynastError: For shapes that the plan does not take.
        """
        for name, shape in shapes.items():
            if not self._context.set_input_shape(name, shape):
                raise self._messages.failure(f"{self._source}: it takes no {name} of {list(shape)}")
        if missing := self._context.infer_shapes():
            raise self._messages.failure(f"{self._source}: the shapes of {', '.join(missing)} are not known")

    def enqueue(self, addresses: Mapping[str, int], stream: Stream) -> None:
        """Give the plan's work to `stream`, with every input and output at its address on the GPU.

        Raises:
            DynastError: Where TensorRT refuses.
        """
        for name, address in addresses.items():
            if not self._context.set_tensor_address(name, address):
                raise self._messages.failure(f"{self._source}: TensorRT takes no {name}")
        if not self._context.execute_async_v3(stream.handle):
            raise self._messages.failure(f"{self._source}: TensorRT does not run it")

    def close(self) -> None:
        """Release it."""
        del self._context


def shape_of(spec: TensorSpec, frames: int) -> tuple[int, ...]:
    """The shape with the number of frames filled in."""
    return tuple(frames if side == -1 else side for side in spec.shape)


def size_of(spec: TensorSpec, frames: int) -> int:
    """Bytes."""
    width = 2 if spec.dtype == "bfloat16" else np.dtype(spec.dtype).itemsize  # NumPy has no bfloat16
    return math.prod(shape_of(spec, frames)) * width
