"""The attention operator of PyTorch on an NVIDIA GPU: tensors in, the kernels of `native_gpu` on PyTorch's stream.

Gradients of keys and values are summed in a fixed order. With the environment variable DYNAST_ATOMIC_GRADIENTS=1 they
are added as they come instead, without the sort that the order takes, and differ in the last bits from run to run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import native, native_gpu
from dynast_deploy.plugins.bindings.native_gpu import Storage
from dynast_deploy.plugins.pyt.attention_problem import address

ATOMIC = "DYNAST_ATOMIC_GRADIENTS"
STORAGE = {
    torch.float32: Storage.FLOAT32,
    torch.float16: Storage.FLOAT16,
    torch.bfloat16: Storage.BFLOAT16,
}
_ALIGNMENT = 16


def can_run() -> str | None:
    """Why the kernels do not run on a GPU here; None where they do."""
    if not torch.cuda.is_available():
        return "PyTorch finds no CUDA GPU"
    if not native_gpu.available():
        return native_gpu.NOT_AVAILABLE
    return None


def forward(problem: native.Problem, tensors: Sequence[Tensor | None], outputs: Sequence[Tensor]) -> None:
    """Fill `outputs`, contiguous: attended, confidence, matches and warped.

    tensors: query, query_prune, key, key_prune, value, matches (int32) and warp_source or None, shapes as `problem`
    has them, all float32, float16 or bfloat16 but for the matches.

    Raises:
        DynastError: Where they are of other types or of several, or the kernels are not built.
    """
    storage = _storage(tensors)
    inputs = [_aligned(tensor) for tensor in tensors]
    call = native.Forward(*map(address, inputs), *map(address, outputs))
    with _device_of(outputs[0]):
        native_gpu.forward(problem, call, storage, _stream(outputs[0]))


def backward(
    problem: native.Problem,
    tensors: Sequence[Tensor | None],
    incoming: Sequence[Tensor],
    wanted: Sequence[bool],
) -> list[Tensor]:
    """Gradients of query, query_prune, key, key_prune, value and warp_source in their types; empty where not wanted.

    tensors: as in `forward`; incoming: the gradients of attended, confidence and warped.

    Raises:
        DynastError: Where they are of other types or of several, or the kernels are not built.
    """
    storage = _storage(tensors)
    query = tensors[0]
    assert query is not None
    inputs = [_aligned(tensor) for tensor in tensors]
    grads = [_aligned(gradient.to(query.dtype)) for gradient in incoming]
    differentiable = [*tensors[:5], tensors[6]]
    sums = [
        torch.empty(x.shape, dtype=torch.float32, device=x.device) if want and x is not None else None
        for x, want in zip(differentiable, wanted, strict=True)
    ]
    atomic = os.environ.get(ATOMIC) == "1"
    room = native_gpu.backward_workspace(problem, atomic=atomic)
    workspace = torch.empty(room, dtype=torch.uint8, device=query.device)
    call = native.Backward(*map(address, [*inputs, *grads, *sums]))
    with _device_of(query):
        stream = _stream(query)
        native_gpu.backward(problem, call, storage, address(workspace), stream, atomic=atomic)
    return [query.new_empty(0) if gradient is None else gradient.to(query.dtype) for gradient in sums]


def dense(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    *,
    top_k: int,
    temperature: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Dense attention without the matrix of logits: attended, confidence and matches (int32). No gradients.

    Shapes as `dynast_deploy.attention.dense_attention` has them; all float32, float16 or bfloat16.

    Raises:
        DynastError: Where they are of other types or of several, or the kernels are not built.
    """
    tensors = [query, query_prune, key, key_prune, value]
    storage = _storage(tensors)
    (frames, queries, channels), (exemplars, keys, _) = query.shape, key.shape
    sizes = (channels, query_prune.shape[2], value.shape[2])
    problem = native.Dense(frames, exemplars, queries, keys, *sizes, top_k, temperature)
    outputs = (
        query.new_empty(frames, queries, value.shape[2]),
        query.new_empty(frames, queries, 1),
        query.new_empty(frames, queries, top_k, dtype=torch.int32),
    )
    inputs = [_aligned(tensor) for tensor in tensors]
    call = native.DenseForward(*map(address, [*inputs, *outputs]))
    with _device_of(query):
        native_gpu.dense(problem, call, storage, _stream(query))
    return outputs


def _storage(tensors: Sequence[Tensor | None]) -> Storage:
    """The one type of all tensors but the matches.

    Raises:
        DynastError: Where they are of several types, or of one that the kernels do not read.
    """
    types = {x.dtype for i, x in enumerate(tensors) if x is not None and i != 5}
    if len(types) > 1 or not types <= set(STORAGE):
        named = ", ".join(sorted(str(dtype) for dtype in types))
        raise DynastError(
            f"the tensors are {named}; on a GPU they have to be all float32, all float16 or all bfloat16"
        )
    return STORAGE[types.pop()]


def _aligned(tensor: Tensor | None) -> Tensor | None:
    """Contiguous, and beginning where 16 bytes can be read at once, which a part of a tensor need not."""
    if tensor is None:
        return None
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.numel() and tensor.data_ptr() % _ALIGNMENT else tensor


def _device_of(tensor: Tensor) -> torch.cuda.device:
    return torch.cuda.device(tensor.device if tensor.is_cuda else -1)  # -1 changes nothing


def _stream(tensor: Tensor) -> int:
    stream: int = torch.cuda.current_stream(tensor.device).cuda_stream if tensor.is_cuda else 0
    return stream
