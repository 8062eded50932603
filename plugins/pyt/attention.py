"""Dynamic sparse attention for PyTorch without gathered candidates, forward and backward.

`inter_scale_attention` and `inner_scale_attention` take and give what the functions of the same name in
`dynast_deploy.attention` do, and may be used in their place unless `can_run` has a reason. The operator behind them,
`torch.ops.dynast.sparse_attention`, keeps nothing of the forward pass but its inputs; the result, gradients included,
does not depend on the number of threads (`torch.get_num_threads()`), nor on a GPU's scheduling (`torch_gpu`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import native
from dynast_deploy.plugins.pyt import gpu as torch_gpu

WARP_MASKS = ("kept", "published")

# Schemas are written out: PyTorch 2.6 cannot infer one from annotations such as `list[bool]`.
_OPERANDS = (
    "Tensor query, Tensor query_prune, Tensor key, Tensor key_prune, Tensor value, Tensor matches, "
    "Tensor? warp_source"
)
_SETTINGS = (
    "bool inner, SymInt query_width, SymInt key_width, SymInt top_k, float temperature, bool warp_published"
)


def can_run(device: str | torch.device = "cpu") -> str | None:
    """Why the operator does not take tensors of this device; None where it does."""
    kind = torch.device(device).type
    if kind == "cpu":
        return None if native.available() else native.NOT_AVAILABLE
    if kind == "cuda":
        return torch_gpu.can_run()
    return f"the native attention operator runs on CPUs and NVIDIA GPUs, not on {kind}"


def inter_scale_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    *,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Attend to the children of the parent scale's matches.

    query `[N, Lq, C]`, query_prune `[N, Lq, P]`, key `[E, Lk, C]`, key_prune `[E, Lk, P]`, value `[E, Lk, V]`, matches
    `[N, Lq/4, K]` int32 or int64 of the parent scale, warp_source `[E, Lk, W]`; E is 1 or N, K and top_k at most 16.
    Computes in float32: on the CPU float16 and bfloat16 are converted and the result converted back to query's type,
    on a GPU they are read as they are.

    Raises DynastError for float64, for tensors that are not all on the CPU or all on one GPU, for shapes that do not
    fit together, and on the CPU for matches that lie outside the key map; a GPU takes the nearest inside for those.
    """
    tensors = _checked(query, query_prune, key, key_prune, value, matches, warp_source, warp_mask)
    settings = (False, query_width, key_width, top_k, temperature, warp_mask == "published")
    return _in_type(query.dtype, sparse_attention(*tensors, *settings))


def inner_scale_attention(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    *,
    query_width: int,
    key_width: int,
    top_k: int,
    temperature: float,
    warp_source: Tensor | None = None,
    warp_mask: str = "kept",
) -> Attention:
    """Attend to the matches `[N, Lq, K]` of the layer before and of the neighbours; else as `inter_scale_attention`."""
    tensors = _checked(query, query_prune, key, key_prune, value, matches, warp_source, warp_mask)
    settings = (True, query_width, key_width, top_k, temperature, warp_mask == "published")
    return _in_type(query.dtype, sparse_attention(*tensors, *settings))


def _checked(
    query: Tensor,
    query_prune: Tensor,
    key: Tensor,
    key_prune: Tensor,
    value: Tensor,
    matches: Tensor,
    warp_source: Tensor | None,
    warp_mask: str,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor | None]:
    """The tensors in the operator's types, if they are of a device and type that it has kernels for."""
    if warp_mask not in WARP_MASKS:
        raise DynastError(f"warp_mask is {warp_mask!r}; it has to be one of {', '.join(WARP_MASKS)}")
    tensors = {"query": query, "query_prune": query_prune, "key": key, "key_prune": key_prune, "value": value}
    if warp_source is not None:
        tensors["warp_source"] = warp_source
    for name, tensor in (*tensors.items(), ("matches", matches)):
        if tensor.device.type not in ("cpu", "cuda"):
            raise DynastError(
                f"{name} is on {tensor.device}, but the native attention operator runs on CPUs and NVIDIA GPUs only"
            )
        if tensor.device != query.device:
            raise DynastError(f"{name} is on {tensor.device}, but query is on {query.device}")
    for name, tensor in tensors.items():
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise DynastError(
                f"{name} is {tensor.dtype}, but the native attention operator computes in float32"
            )
    if matches.dtype not in (torch.int32, torch.int64):
        raise DynastError(f"matches are {matches.dtype}; they have to be int32 or int64")
    types = {tensor.dtype for tensor in tensors.values()}
    dtype = query.dtype if query.is_cuda and len(types) == 1 else torch.float32
    return (
        query.to(dtype),
        query_prune.to(dtype),
        key.to(dtype),
        key_prune.to(dtype),
        value.to(dtype),
        matches.int(),
        None if warp_source is None else warp_source.to(dtype),
    )


def _in_type(dtype: torch.dtype, result: tuple[Tensor, Tensor, Tensor, Tensor]) -> Attention:
    attended, confidence, matches, warped = result
    return Attention(
        attended.to(dtype),
        confidence.to(dtype),
        matches.long(),
        warped.to(dtype) if warped.shape[2] else None,
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
    """The operator itself: float32, on a GPU also 16 bits; matches int32; warped `[N, Lq, 0]` without a warp source."""
    tensors = (query, query_prune, key, key_prune, value, matches, warp_source)
    problem = _problem(*tensors, inner, query_width, key_width, top_k, temperature, warp_published)
    inputs = [_contiguous(x) for x in tensors]
    outputs = _outputs(query, value, warp_source, top_k)
    call = native.Forward(*map(_address, inputs), *map(_address, outputs))
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
    outputs = _outputs(query, value, warp_source, top_k)
    problem = _problem(*tensors, inner, query_width, key_width, top_k, temperature, warp_published)
    torch_gpu.forward(problem, tensors, outputs)
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
    return _outputs(query, value, warp_source, top_k)


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
    """Gradients of query, query_prune, key, key_prune, value and warp_source; an empty tensor where not wanted."""
    tensors = (query, query_prune, key, key_prune, value, matches, warp_source)
    problem = _problem(*tensors, inner, query_width, key_width, top_k, temperature, warp_published)
    inputs = [_contiguous(x) for x in tensors]
    incoming = [_contiguous(x) for x in (grad_attended, grad_confidence, grad_warped)]
    gradients = _gradients((query, query_prune, key, key_prune, value, warp_source), wanted)
    call = native.Backward(*map(_address, [*inputs, *incoming, *gradients]))
    native.backward(problem, call, threads=torch.get_num_threads())
    return gradients


@sparse_attention_backward.register_kernel("cuda")
def _(grad_attended: Tensor, grad_confidence: Tensor, grad_warped: Tensor, *inputs: Any) -> list[Tensor]:
    problem = _problem(*inputs[:-1])
    return torch_gpu.backward(problem, inputs[:7], (grad_attended, grad_confidence, grad_warped), inputs[-1])


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
    return _gradients((query, query_prune, key, key_prune, value, warp_source), wanted)


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


def _outputs(
    query: Tensor, value: Tensor, warp_source: Tensor | None, top_k: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Room for attended, confidence, matches and warped."""
    frames, length, _ = query.shape
    return (
        query.new_empty(frames, length, value.shape[2]),
        query.new_empty(frames, length, 1),
        query.new_empty(frames, length, top_k, dtype=torch.int32),
        query.new_empty(frames, length, 0 if warp_source is None else warp_source.shape[2]),
    )


def _gradients(inputs: tuple[Tensor | None, ...], wanted: Sequence[bool]) -> list[Tensor]:
    first = inputs[0]
    assert first is not None
    return [
        torch.empty_like(x, memory_format=torch.contiguous_format)
        if want and x is not None
        else first.new_empty(0)
        for x, want in zip(inputs, wanted, strict=True)
    ]


def _contiguous(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.contiguous()


def _address(tensor: Tensor | None) -> int | None:
    return None if tensor is None or tensor.numel() == 0 else tensor.data_ptr()


def _problem(
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
) -> native.Problem:
    """The layer in numbers; DynastError if a tensor's shape does not fit the others."""
    for name, tensor in (("query", query), ("key", key)):
        if tensor.ndim != 3:
            raise DynastError(
                f"{name} has shape {list(tensor.shape)}; it has to be [batch, tokens, channels]"
            )
    frames, query_length, channels = query.shape
    exemplars, key_length, _ = key.shape
    for name, length, width in (("query", query_length, query_width), ("key", key_length, key_width)):
        if width < 1 or length % width:
            raise DynastError(f"{name} has {length} tokens, which is no multiple of {name}_width {width}")
    matches_length = query_length if inner else query_length // 4
    for name, given, leading in (
        ("query_prune", query_prune, (frames, query_length)),
        ("key", key, (exemplars, key_length)),
        ("key_prune", key_prune, (exemplars, key_length)),
        ("value", value, (exemplars, key_length)),
        ("matches", matches, (frames, matches_length)),
        ("warp_source", warp_source, (exemplars, key_length)),
    ):
        if given is not None and (given.ndim != 3 or given.shape[:2] != leading):
            raise DynastError(f"{name} has shape {list(given.shape)}; it has to be {[*leading, 'channels']}")
    for name, tensor, expected in (("key", key, channels), ("key_prune", key_prune, query_prune.shape[2])):
        if tensor.shape[2] != expected:
            raise DynastError(f"{name} has {tensor.shape[2]} channels, but its query has {expected}")
    return native.Problem(
        inner=inner,
        frames=frames,
        exemplars=exemplars,
        query_height=query_length // query_width,
        query_width=query_width,
        key_height=key_length // key_width,
        key_width=key_width,
        channels=channels,
        prune_channels=query_prune.shape[2],
        value_channels=value.shape[2],
        warp_channels=0 if warp_source is None else warp_source.shape[2],
        matches_k=matches.shape[2],
        top_k=top_k,
        warp_published=warp_published,
        temperature=temperature,
    )
