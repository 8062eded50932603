"""The C interface of the GPU kernels (`cuda/c_api.cpp`) in Python: addresses of device memory in, results in place.

Calls put their work on a CUDA stream, given by its handle, and do not wait for it. Structures are those of `native`;
addresses are multiples of 16. Matches outside the map are not reported, since that would have to wait for the GPU:
they count as the nearest inside.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.bindings.native import Backward, Dense, DenseForward, Forward, Problem

BUILD_COMMAND = f"{library.BUILD_COMMAND} --cuda"
NOT_AVAILABLE = f"no compiled kernels match the sources installed; build them with: {BUILD_COMMAND}"
"""Why the kernels do not run where `available()` is false."""


class Storage(IntEnum):
    """Type of the tensors; `StorageType` of `cuda/launch.h`."""

    FLOAT32 = 0
    FLOAT16 = 1
    BFLOAT16 = 2


def available() -> bool:
    """Whether the GPU kernels are built and load; whether there is a GPU is another question."""
    return library.load_gpu() is not None


def _library() -> ctypes.CDLL:
    loaded = library.load_gpu()
    if loaded is None:
        raise DynastError(
            f"the attention kernels for the GPU are not built; build them with: {BUILD_COMMAND}"
        )
    return loaded


def forward_launch(problem: Problem, storage: Storage, team: int = 0) -> tuple[int, tuple[int, ...]]:
    """Threads that share a query, chosen where `team` is 0; and blocks in x, y, z and threads of a block.

    Raises:
        DynastError: Where the kernels are not built.
    """
    chosen, launch = ctypes.c_int(team), (ctypes.c_int64 * 4)()
    _library().dynast_gpu_forward_launch(ctypes.byref(problem), storage, ctypes.byref(chosen), launch)
    return chosen.value, tuple(launch)


def dense_launch(problem: Dense) -> tuple[int, ...]:
    """Blocks in x, y, z and threads of a block.

    Raises:
        DynastError: Where the kernels are not built.
    """
    launch = (ctypes.c_int64 * 4)()
    _library().dynast_gpu_dense_launch(ctypes.byref(problem), launch)
    return tuple(launch)


def forward(problem: Problem, call: Forward, storage: Storage, stream: int, team: int = 0) -> None:
    """Fill attended, confidence, next_matches and warped of a sparse layer; `team` threads share a query.

    Raises:
        DynastError: Where the kernels are not built or cannot be started.
    """
    _call("dynast_gpu_forward", problem, call, int(storage), team, ctypes.c_void_p(stream))


def dense(problem: Dense, call: DenseForward, storage: Storage, stream: int) -> None:
    """Dense attention: fill attended, confidence and next_matches.

    Raises:
        DynastError: Where the kernels are not built or cannot be started.
    """
    _call("dynast_gpu_dense", problem, call, int(storage), ctypes.c_void_p(stream))


def backward_workspace(problem: Problem, *, atomic: bool) -> int:
    """Bytes of device memory that `backward` needs while it runs.

    Raises:
        DynastError: Where the kernels are not built.
    """
    function = _library().dynast_gpu_backward_workspace
    function.restype = ctypes.c_int64
    size: int = function(ctypes.byref(problem), int(atomic))
    return size


def backward(
    problem: Problem, call: Backward, storage: Storage, workspace: int | None, stream: int, *, atomic: bool
) -> None:
    """Fill those gradients, float32 whatever the storage, whose address is not None.

    With `atomic` sums are taken in whatever order threads arrive, so that results differ from run to run.

    Raises:
        DynastError: Where the kernels are not built or cannot be started.
    """
    addresses = (ctypes.c_void_p(workspace), ctypes.c_void_p(stream))
    _call("dynast_gpu_backward", problem, call, int(storage), int(atomic), *addresses)


def _call(name: str, problem: ctypes.Structure, call: ctypes.Structure, *arguments: object) -> None:
    message = ctypes.create_string_buffer(512)
    function = getattr(_library(), name)
    if function(ctypes.byref(problem), ctypes.byref(call), *arguments, message, len(message)):
        raise DynastError(message.value.decode())
