"""The generator's parameters among what a checkpoint holds, under the names that this package gives them.

Training scripts save them in many ways: bare, in wrappers (`{"model": ...}`, `{"params_ema": ...}`), under prefixes
(`module.`, `_orig_mod.`, Lightning's `netG.`), next to a discriminator, spectral norm as hook, as parametrisation or
folded. The generator is told by its parameters, not by the names around them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dynast_deploy.errors import DynastError
from dynast_deploy.printable import cut

_MARKS = ("pos_embed", "decoder_10.0.weight", "decoder_10.0.bias")
"""Parameters that tell a generator of this kind; several, for one may be lacking."""
_DEEPEST = 4
"""Wrappers around a state dict."""
_TRANSPARENT = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""What DataParallel, torch.compile and others put between the names of modules."""
_AVERAGED = re.compile(r"(^|_)(ema|swa|avg|averaged?|shadow)(_|$)")
_GENERATOR = re.compile(r"^((net|model)_?)?(g|gen|generator)(_|$)")
_OTHER_NETWORK = re.compile(r"^((net|model)_?)?(d|dis|disc|discriminator|critic)\d*(_|$)")
_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64}) | {
    getattr(torch, name) for name in dir(torch) if re.fullmatch(r"float8_e[45]m[23](fn|fnuz)?", name)
}
_COUNTER = "num_batches_tracked"
_POWER_ITERATIONS = 15


class Found(NamedTuple):
    """state: the parameters by this package's names. place: wrappers and prefix around them, or empty."""

    state: dict[str, Tensor]
    place: str


def find_generator(contents: Mapping[Any, Any], source: str) -> Found:
    """The one generator in `contents`; an averaged one before that of the last step.

    Tensors are float32 (counters int64), dense and on the CPU.

    Raises:
        DynastError: Naming `source`, where several could be meant, and for an entry that is not a tensor or not a
            weight: complex, quantized or whole numbers, values on no device.
    """
    candidates = list(_candidates(contents, (), set()))
    if not candidates:
        return Found(_checked(_named(contents, source), source), "")
    best = min(_rank(place) for place, _ in candidates)
    chosen = [(place, state) for place, state in candidates if _rank(place) == best]
    if len(chosen) > 1:
        places = " and ".join(cut(".".join(place)) or "the file itself" for place, _ in chosen[:4])
        raise DynastError(f"{source}: holds several generators ({places}); save the state dict of one alone")
    place, state = chosen[0]
    return Found(_checked(_as_hook(state), source), ".".join(place))


def _candidates(
    contents: Mapping[Any, Any], place: tuple[str, ...], seen: set[int]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """Every group of entries that looks like a generator, with the wrappers and the prefix that lead to it.

    Each mapping is looked at once, however often the file refers to it (`seen`).
    """
    if id(contents) in seen:
        return
    seen.add(id(contents))
    named = {_without_wrappers(name): value for name, value in contents.items() if isinstance(name, str)}
    prefixes = {
        name.removesuffix(mark)
        for name in named
        for mark in _MARKS
        if name == mark or name.endswith(f".{mark}")
    }
    for prefix in sorted(prefixes):
        group = {name[len(prefix) :]: value for name, value in named.items() if name.startswith(prefix)}
        if not prefix:
            group.pop("n_averaged", None)  # of AveragedModel, next to what it averages
        yield (*place, *filter(None, prefix.split("."))), group
    if len(place) < _DEEPEST:
        for name, value in contents.items():
            if isinstance(name, str) and isinstance(value, Mapping):
                yield from _candidates(value, (*place, name), seen)


def _without_wrappers(name: str) -> str:
    parts = name.split(".")
    return (
        name
        if _TRANSPARENT.isdisjoint(parts)
        else ".".join(part for part in parts if part not in _TRANSPARENT)
    )


def _rank(place: tuple[str, ...]) -> tuple[bool, bool, bool]:
    """What is meant comes first: no discriminator, averaged, said to be a generator."""
    words = [re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).lower() for word in place]
    return (
        any(map(_OTHER_NETWORK.search, words)),
        not any(map(_AVERAGED.search, words)),
        bool(words) and not any(map(_GENERATOR.search, words)),
    )


def _named(contents: Mapping[Any, Any], source: str) -> dict[str, Any]:
    if odd := [name for name in contents if not isinstance(name, str)]:
        raise DynastError(
            f"{source}: an entry is named {str(odd[0])[:40]!r}, so this is not a generator state"
        )
    return _as_hook({_without_wrappers(name): value for name, value in contents.items()})


def _as_hook(state: Mapping[str, Any]) -> dict[str, Any]:
    """Spectral norm's names as the hook gives them, where a parametrisation was saved."""
    names = {
        ".parametrizations.weight.original": ".weight_orig",
        ".parametrizations.weight.0._u": ".weight_u",
        ".parametrizations.weight.0._v": ".weight_v",
    }

    def of_hook(name: str) -> str:
        for theirs, ours in names.items():
            if name.endswith(theirs):
                return name.removesuffix(theirs) + ours
        return name

    return {of_hook(name): value for name, value in state.items()}


def _checked(state: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    weights, storages = {}, {}
    for name, tensor in state.items():
        weights[name] = weight(name, tensor, source)
        storage = tensor.untyped_storage()
        storages[storage.data_ptr()] = storage.nbytes()
    total, stored = sum(tensor.nbytes for tensor in state.values()), sum(storages.values())
    if total > 2 * stored + 1_000_000:
        raise DynastError(
            f"{source}: its parameters have {total / 1e6:,.0f} MB and the file {stored / 1e6:,.0f} MB for them: they "
            "share their data, as no generator does"
        )
    return weights


def weight(name: str, value: Any, source: str) -> Tensor:
    """A stored weight as float32, a counter (`num_batches_tracked`) as int64: dense, finite or not, on the CPU.

    It may have any shape.

    Raises:
        DynastError: Naming `source`, for anything else.
    """
    if not isinstance(value, Tensor):
        raise DynastError(f"{source}: entry {cut(name)} is not a tensor, so this is not a generator state")
    if fault := _fault(name, value):
        raise DynastError(f"{source}: {cut(name)} {fault}, which no weight is; save it as float32")
    return value.detach() if value.dtype is torch.int64 else value.detach().float()


def _fault(name: str, tensor: Tensor) -> str | None:
    """What is wrong with a stored tensor, before anything is computed of it; or None."""
    if tensor.layout is not torch.strided or tensor.is_nested or tensor.is_quantized:
        return "is sparse, nested or quantized"
    if tensor.device.type != "cpu":
        return f"has no values (device {tensor.device})"
    if tensor.dtype not in _FLOATS and not (name.endswith(_COUNTER) and tensor.dtype is torch.int64):
        return f"is {str(tensor.dtype).removeprefix('torch.')}"
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        return "repeats its values"
    return None


def with_spectral_norm(state: Mapping[str, Tensor], names: Iterable[str]) -> dict[str, Tensor]:
    """`state` with what spectral norm keeps for every `...weight_orig` in `names` that it has as plain `...weight`.

    A folded weight is one already divided by its norm. The vectors are those that power iteration finds, scaled so that
    dividing once more changes nothing.
    """
    found = dict(state)
    for name in names:
        stem = name.removesuffix("_orig")
        folded = found.get(stem)
        if not name.endswith(".weight_orig") or name in found or folded is None or folded.ndim < 2:
            continue
        del found[stem]
        u, v = _singular_vectors(folded.flatten(1))
        found |= {f"{stem}_orig": folded, f"{stem}_u": u, f"{stem}_v": v}
    return found


def _singular_vectors(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """u `[R]` and v `[C]` along the largest singular value of `[R, C]`, with `u @ matrix @ v` 1 (0 for zeros)."""
    v = matrix[matrix.norm(dim=1).argmax()].clone() if matrix.numel() else matrix.new_zeros(matrix.shape[1])
    u = matrix.new_zeros(matrix.shape[0])
    for _ in range(_POWER_ITERATIONS):
        u = torch.nn.functional.normalize(matrix @ v, dim=0, eps=1e-12)
        v = torch.nn.functional.normalize(matrix.mT @ u, dim=0, eps=1e-12)
    norm = torch.dot(u, matrix @ v)
    return u / norm if norm > 0 else u, v
