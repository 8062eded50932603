"""A sparse attention layer of PyTorch's tensors as the native kernels take it: numbers, addresses, room for results."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import native


def new_outputs(
    query: Tensor, value: Tensor, warp_source: Tensor | None, top_k: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Room for attended, confidence, matches and warped.

    `[N, Lq, V]`, `[N, Lq, 1]`, int32 `[N, Lq, K]` and `[N, Lq, W]`, where W is 0 without a warp source.
    """
    frames, length, _ = query.shape
    return (
        query.new_empty(frames, length, value.shape[2]),
        query.new_empty(frames, length, 1),
        query.new_empty(frames, length, top_k, dtype=torch.int32),
        query.new_empty(frames, length, 0 if warp_source is None else warp_source.shape[2]),
    )


def new_gradients(inputs: tuple[Tensor | None, ...], wanted: Sequence[bool]) -> list[Tensor]:
    """Room for the gradients of `inputs`, contiguous and of their shapes; an empty tensor where one is not wanted."""
    first = inputs[0]
    assert first is not None
    return [
        torch.empty_like(x, memory_format=torch.contiguous_format)
        if want and x is not None
        else first.new_empty(0)
        for x, want in zip(inputs, wanted, strict=True)
    ]


def contiguous(tensor: Tensor | None) -> Tensor | None:
    """The tensor in contiguous memory; None stands for no tensor. Of any shape."""
    return None if tensor is None else tensor.contiguous()


def address(tensor: Tensor | None) -> int | None:
    """Where the tensor's data begin; None for an empty tensor and for no tensor. Of any shape."""
    return None if tensor is None or tensor.numel() == 0 else tensor.data_ptr()


def problem_of(
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
    """The layer in numbers. Shapes as `dynast_deploy.plugins.pyt.attention` has them.

    Raises:
        DynastError: Naming the tensor whose shape does not fit the others.
    """
    for name, tensor in (("query", query), ("key", key)):
        if tensor.ndim != 3:
            raise DynastError(
                f"{name} has shape {list(tensor.shape)}; it has to be [batch, tokens, channels]"
            )
    frames, query_length, channels = query.shape
    exemplars, key_length, _ = key.shape
    for name, length, width in (("query", query_length, query_width), ("key", key_length, key_width)):
        if width < 1 or length % width:
            raise DynastError(f"{name} has {length} tokens, which is not a multiple of {name}_width {width}")
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
