"""The C interface of the CPU kernels (`cpu/c_api/attention.cpp`) in Python: addresses in, results written in place."""

from __future__ import annotations

import ctypes

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library

NOT_AVAILABLE = f"no compiled kernels match the sources installed; build them with: {library.BUILD_COMMAND}"
"""Why the kernels do not run where `available()` is false."""

_int, _float, _address = ctypes.c_int32, ctypes.c_float, ctypes.c_void_p


class Problem(ctypes.Structure):
    """One attention layer in numbers; `DynastProblem` of `include/dynast/problem.h`."""

    _fields_ = (
        ("inner", _int),
        ("frames", _int),
        ("exemplars", _int),
        ("query_height", _int),
        ("query_width", _int),
        ("key_height", _int),
        ("key_width", _int),
        ("channels", _int),
        ("prune_channels", _int),
        ("value_channels", _int),
        ("warp_channels", _int),
        ("matches_k", _int),
        ("top_k", _int),
        ("warp_published", _int),
        ("temperature", _float),
    )


class Forward(ctypes.Structure):
    """Addresses of contiguous tensors, None where there is none; `DynastForward` of `include/dynast/calls.h`."""

    _fields_ = tuple(
        (name, _address)
        for name in (
            "query",
            "query_prune",
            "key",
            "key_prune",
            "value",
            "matches",
            "warp_source",
            "attended",
            "confidence",
            "next_matches",
            "warped",
        )
    )


class Backward(ctypes.Structure):
    """Addresses of contiguous float32 tensors; `DynastBackward` of `include/dynast/calls.h`."""

    _fields_ = tuple(
        (name, _address)
        for name in (
            "query",
            "query_prune",
            "key",
            "key_prune",
            "value",
            "matches",
            "warp_source",
            "grad_attended",
            "grad_confidence",
            "grad_warped",
            "grad_query",
            "grad_query_prune",
            "grad_key",
            "grad_key_prune",
            "grad_value",
            "grad_warp_source",
        )
    )


class Dense(ctypes.Structure):
    """A dense layer in numbers; `DynastDense` of `include/dynast/problem.h`."""

    _fields_ = (
        ("frames", _int),
        ("exemplars", _int),
        ("query_length", _int),
        ("key_length", _int),
        ("channels", _int),
        ("prune_channels", _int),
        ("value_channels", _int),
        ("top_k", _int),
        ("temperature", _float),
    )


class DenseForward(ctypes.Structure):
    """Addresses of contiguous tensors; `DynastDenseForward` of `include/dynast/calls.h`."""

    _fields_ = tuple(
        (name, _address)
        for name in (
            "query",
            "query_prune",
            "key",
            "key_prune",
            "value",
            "attended",
            "confidence",
            "next_matches",
        )
    )


def available() -> bool:
    """Whether the CPU kernels are built and load."""
    return library.load_cpu() is not None


def _library() -> ctypes.CDLL:
    loaded = library.load_cpu()
    if loaded is None:
        raise DynastError(
            f"the native attention kernels are not built; build them with: {library.BUILD_COMMAND}"
        )
    return loaded


def variant(name: str = "") -> str | None:
    """The instruction set behind `name` on this processor ('' is the fastest), or None if it cannot be had.

    Raises:
        DynastError: Where the kernels are not built.
    """
    function = _library().dynast_variant
    function.restype = ctypes.c_char_p
    found = function(name.encode())
    return found.decode() if found is not None else None


def forward(problem: Problem, call: Forward, *, half: bool, threads: int, variant: str = "") -> None:
    """Fill attended, confidence, next_matches and warped of a sparse layer.

    Raises:
        DynastError: Where the kernels are not built or refuse the numbers.
    """
    message = ctypes.create_string_buffer(512)
    failed = _library().dynast_forward(
        ctypes.byref(problem), ctypes.byref(call), int(half), variant.encode(), threads, message, len(message)
    )
    if failed:
        raise DynastError(message.value.decode())


def dense(problem: Dense, call: DenseForward, *, half: bool, threads: int, variant: str = "") -> None:
    """Dense attention: fill attended, confidence and next_matches.

    Raises:
        DynastError: Where the kernels are not built or refuse the numbers.
    """
    message = ctypes.create_string_buffer(512)
    failed = _library().dynast_dense(
        ctypes.byref(problem), ctypes.byref(call), int(half), variant.encode(), threads, message, len(message)
    )
    if failed:
        raise DynastError(message.value.decode())


def backward(problem: Problem, call: Backward, *, threads: int, variant: str = "") -> None:
    """Fill those gradients whose address is not None.

    Raises:
        DynastError: Where the kernels are not built or refuse the numbers.
    """
    message = ctypes.create_string_buffer(512)
    failed = _library().dynast_backward(
        ctypes.byref(problem), ctypes.byref(call), variant.encode(), threads, message, len(message)
    )
    if failed:
        raise DynastError(message.value.decode())
