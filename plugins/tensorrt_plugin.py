"""The attention operators as TensorRT plugins that are compiled ahead of time.

`register_plugins()` makes `dynast::InterScaleAttention` and `dynast::InnerScaleAttention` known to TensorRT's ONNX
parser. A plan that is built then holds the compiled kernels as PTX and runs without this package. Inputs, outputs
and attributes are those of the ONNX operators; float32, float16 and bfloat16. Needs TensorRT 10.9 or later.

TensorRT reads the annotations of the functions below, so they have to be types and not text: this file must not
import annotations from __future__.
"""

import functools
from collections.abc import Callable
from typing import Any, List, Tuple, TypeVar, Union  # noqa: UP035

from dynast_deploy.plugins import gpu_kernels

NAMESPACE = "dynast"
PLUGIN_VERSION = "1"
"""Of inputs, outputs, attributes and arithmetic; plans say which they were built with."""

Function = TypeVar("Function", bound=Callable[..., Any])

_NAMES = {"inter": "InterScaleAttention", "inner": "InnerScaleAttention"}


@functools.cache
def register_plugins(lazy: bool = False) -> None:
    """Register both operators, once in a process.

    `lazy` leaves out TensorRT's own registry until a plugin is used from Python, as in tests without TensorRT's
    libraries.

    Raises:
        ImportError: Where TensorRT is not installed.
        DynastError: Where the kernels cannot be compiled.
    """
    for scale in _NAMES:
        _register(scale, lazy)


def _register(scale: str, lazy: bool) -> None:
    import tensorrt
    import tensorrt.plugin as trtp

    name = f"{NAMESPACE}::{_NAMES[scale]}"
    kinds = {tensorrt.float32: "float", tensorrt.float16: "half", tensorrt.bfloat16: "bfloat"}

    @_typed(trtp.register(name, lazy_register=lazy))
    def describe(
        query: trtp.TensorDesc,
        query_prune: trtp.TensorDesc,
        key: trtp.TensorDesc,
        key_prune: trtp.TensorDesc,
        value: trtp.TensorDesc,
        matches: trtp.TensorDesc,
        query_width: int,
        key_width: int,
        top_k: int,
        temperature: float,
    ) -> Tuple[trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc]:  # noqa: UP006
        frames, length = query.shape_expr[0], query.shape_expr[1]
        return (
            trtp.from_shape_expr((frames, length, value.shape_expr[2]), query.dtype),
            trtp.from_shape_expr((frames, length, 1), query.dtype),
            trtp.from_shape_expr((frames, length, top_k), tensorrt.int32),
        )

    @_typed(trtp.autotune(name))
    def tune(
        query: trtp.TensorDesc,
        query_prune: trtp.TensorDesc,
        key: trtp.TensorDesc,
        key_prune: trtp.TensorDesc,
        value: trtp.TensorDesc,
        matches: trtp.TensorDesc,
        query_width: int,
        key_width: int,
        top_k: int,
        temperature: float,
        outputs: Tuple[trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc],  # noqa: UP006
    ) -> List[trtp.AutoTuneCombination]:  # noqa: UP006
        # A tactic is the number of threads that share a query.
        smallest = _smallest_team(scale, matches)
        combinations = []
        for kind in ("FP32", "FP16", "BF16"):
            types = ",".join([kind] * 5 + ["INT32", kind, kind, "INT32"])
            combinations.append(
                trtp.AutoTuneCombination(
                    types, ",".join(["LINEAR"] * 9), [team for team in gpu_kernels.TEAMS if team >= smallest]
                )
            )
        return combinations

    @_typed(trtp.aot_impl(name))
    def implement(
        query: trtp.TensorDesc,
        query_prune: trtp.TensorDesc,
        key: trtp.TensorDesc,
        key_prune: trtp.TensorDesc,
        value: trtp.TensorDesc,
        matches: trtp.TensorDesc,
        query_width: int,
        key_width: int,
        top_k: int,
        temperature: float,
        outputs: Tuple[trtp.TensorDesc, trtp.TensorDesc, trtp.TensorDesc],  # noqa: UP006
        tactic: int,
    ) -> Tuple[str, Union[str, bytes], trtp.KernelLaunchParams, trtp.SymExprs]:  # noqa: UP006, UP007
        team = tactic or max(gpu_kernels.TEAMS)
        kernel = gpu_kernels.kernel_name(scale, kinds[query.dtype], team)
        frames, query_height = query.shape_expr[0], query.shape_expr[1] // query_width
        windows = trtp.cdiv(query_height, 2) * ((query_width + 1) // 2)
        launch = trtp.KernelLaunchParams()
        launch.grid_x = trtp.cdiv(frames * windows * (4 * team), gpu_kernels.BLOCK_THREADS)
        launch.block_x = gpu_kernels.BLOCK_THREADS
        numbers = (
            frames,
            key.shape_expr[0],
            query_height,
            query_width,
            key.shape_expr[1] // key_width,
            key_width,
            query.shape_expr[2],
            query_prune.shape_expr[2],
            value.shape_expr[2],
            matches.shape_expr[2],
            top_k,
            gpu_kernels.float_bits(temperature),
        )
        arguments = trtp.SymIntExprs(len(numbers))
        for i, number in enumerate(numbers):
            arguments[i] = trtp.SymInt32(number)
        return kernel, gpu_kernels.compile_ptx(kernel), launch, arguments


def _typed(decorator: Callable[[Function], Function]) -> Callable[[Function], Function]:
    """The decorator itself, which TensorRT leaves untyped."""
    return decorator


def _smallest_team(scale: str, matches: Any) -> int:
    """The smallest tactic that works, given what is known of the matches' shape while tuning."""
    matches_k = matches.shape_expr[2]
    if matches_k.is_fake or not matches_k.is_constant:
        return max(gpu_kernels.TEAMS)
    return gpu_kernels.smallest_team(matches_k.constant_value() * (5 if scale == "inner" else 4))
