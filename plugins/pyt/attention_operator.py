"""The operators `torch.ops.dynast.sparse_attention` and `sparse_attention_backward`.

They take float32, on a GPU also 16 bits. `dynast_deploy.plugins.pyt.attention` calls them; the fake implementations
give PyTorch's compiler the shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.plugins.bindings import native
from dynast_deploy.plugins.pyt import gpu
from dynast_deploy.plugins.pyt.attention_problem import (
    address,
    contiguous,
    new_gradients,
    new_outputs,
    problem_of,
)

# Schemas are written out: PyTorch 2.6 cannot infer one from annotations such as `list[bool]`.
_OPERANDS = (
    "Tensor query, Tensor query_prune, Tensor key, Tensor key_prune, Tensor value, Tensor matches, "
    "Tensor? warp_source"
)
_SETTINGS = (
    "bool inner, SymInt query_width, SymInt key_width, SymInt top_k, float temperature, bool warp_published"
)


@torch.library.custom_op(
    "dynast::sparse_attention",
    mutates_args=(),
    device_types="cpu",
    schema=f"({_OPERANDS}, {_SETTINGS}) -> (Tensor, Tensor, Tensor, Tensor)",
)
def sparse_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    warp_source: Tensor | None,
    inner: bool,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_published: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The operator itself: float32, on a GPU also 16 bits; matches int32; warped `[N, Lq, 0]` without a warp source.

    Raises:
        DynastError: Where shapes do not fit together, or the kernels are not built.
    """
    tensors = (query, query_prune, key, key_prune, value, matches, warp_source)
    problem = problem_of(*tensors, inner, query_width, key_width, top_k, temperature, warp_published)
    inputs = [contiguous(x) for x in tensors]
    outputs = new_outputs(query, value, warp_source, top_k)
    call = native.Forward(*map(address, inputs), *map(address, outputs))
    native.forward(problem, call, half=False, threads=torch.get_num_threads())
    return outputs


@sparse_attention.register_kernel("cuda")
def _(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    warp_source: Tensor | None,
    *settings: Any,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    tensors = (query, query_prune, key, key_prune, value, matches, warp_source)
    inner, query_width, key_width, top_k, temperature, warp_published = settings
    outputs = new_outputs(query, value, warp_source, top_k)
    problem = problem_of(*tensors, inner, query_width, key_width, top_k, temperature, warp_published)
    gpu.forward(problem, tensors, outputs)
    return outputs


@sparse_attention.register_fake
def _(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    warp_source: Tensor | None,
    inner: bool,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_published: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return new_outputs(query, value, warp_source, top_k)


@torch.library.custom_op(
    "dynast::sparse_attention_backward",
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor grad_attended, Tensor grad_confidence, Tensor grad_warped, "
    f"{_OPERANDS}, {_SETTINGS}, bool[] wanted) -> Tensor[]",
)
def sparse_attention_backward(
    grad_attended: Tensor,
    grad_confidence: Tensor,
    grad_warped: Tensor,
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    warp_source: Tensor | None,
    inner: bool,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_published: bool,
    wanted: Sequence[bool],
) -> list[Tensor]:
    """Gradients of query, query_prune, key, key_prune, value and warp_source; an empty tensor where not wanted.

    Each has the shape of its tensor.

    Raises:
        DynastError: Where shapes do not fit together, or the kernels are not built.
    """
    tensors = (query, query_prune, key, key_prune, value, matches, warp_source)
    problem = problem_of(*tensors, inner, query_width, key_width, top_k, temperature, warp_published)
    inputs = [contiguous(x) for x in tensors]
    incoming = [contiguous(x) for x in (grad_attended, grad_confidence, grad_warped)]
    gradients = new_gradients((query, query_prune, key, key_prune, value, warp_source), wanted)
    call = native.Backward(*map(address, [*inputs, *incoming, *gradients]))
    native.backward(problem, call, threads=torch.get_num_threads())
    return gradients


@sparse_attention_backward.register_kernel("cuda")
def _(grad_attended: Tensor, grad_confidence: Tensor, grad_warped: Tensor, *inputs: Any) -> list[Tensor]:
    problem = problem_of(*inputs[:-1])
    return gpu.backward(problem, inputs[:7], (grad_attended, grad_confidence, grad_warped), inputs[-1])


@sparse_attention_backward.register_fake
def _(
    grad_attended: Tensor,
    grad_confidence: Tensor,
    grad_warped: Tensor,
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    warp_source: Tensor | None,
    inner: bool,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_published: bool,
    wanted: Sequence[bool],
) -> list[Tensor]:
    return new_gradients((query, query_prune, key, key_prune, value, warp_source), wanted)


def _keep_inputs(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(*inputs[:7])
    ctx.settings = inputs[7:]


def _differentiate(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
    grad_attended, grad_confidence, _, grad_warped = grads
    wanted = [ctx.needs_input_grad[i] for i in (0, 1, 2, 3, 4, 6)]
    gradients = sparse_attention_backward(
        grad_attended, grad_confidence, grad_warped, *ctx.saved_tensors, *ctx.settings, wanted
    )
    query, query_prune, key, key_prune, value, source = (
        gradient if want else None for gradient, want in zip(gradients, wanted, strict=True)
    )
    return query, query_prune, key, key_prune, value, None, source, *[None] * len(ctx.settings)


sparse_attention.register_autograd(_differentiate, setup_context=_keep_inputs)
