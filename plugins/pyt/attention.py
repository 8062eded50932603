"""Dynamic sparse attention for PyTorch without gathered candidates, forward and backward.

`inter_scale_attention` and `inner_scale_attention` take and give what the functions of the same name in
`dynast_deploy.attention` do, and may be used in their place where `can_run` has no reason against it. The operator
behind them, `torch.ops.dynast.sparse_attention`, keeps nothing of the forward pass but its inputs; the result,
gradients included, does not depend on the number of threads (`torch.get_num_threads()`), nor on a GPU's scheduling
(`gpu`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from dynast_deploy.attention_interface import Attention
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import native
from dynast_deploy.plugins.pyt import gpu
from dynast_deploy.plugins.pyt.attention_operator import sparse_attention

WARP_MASKS = ("kept", "published")


def can_run(device: str | torch.device = "cpu") -> str | None:
    """Why the operator does not take tensors of this device; None where it does."""
    kind = torch.device(device).type
    if kind == "cpu":
        return None if native.available() else native.NOT_AVAILABLE
    if kind == "cuda":
        return gpu.can_run()
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

    On a GPU a match outside the key map counts as the nearest inside.

    Raises:
        DynastError: For float64, for tensors that are not all on the CPU or all on one GPU, for shapes that do not fit
            together, and on the CPU for matches outside the key map.
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
    """Attend to the matches `[N, Lq, K]` of the layer before and of the neighbours; else as `inter_scale_attention`.

    Raises:
        DynastError: As `inter_scale_attention`.
    """
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
    """The tensors in the operator's types.

    Raises:
        DynastError: Where a tensor is on a device or of a type that it has no kernels for.
    """
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
