"""Time the GPU kernels on an NVIDIA GPU: `python -m dynast_deploy.bench.operators --device cuda`.

Median of many runs between device events, rotating among inputs that do not fit the cache together, compared with
PyTorch's gather form. Bytes are those that inputs and outputs have, each once; their share of the measured copy
bandwidth says how far the time is from what any implementation could reach.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dynast_deploy import attention
from dynast_deploy.attention_interface import Attention
from dynast_deploy.bench.attention_case import AttentionCase
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.plugins.bindings import native, native_gpu
from dynast_deploy.plugins.pyt import attention_problem
from dynast_deploy.plugins.pyt import gpu as torch_gpu

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
GRADIENTS = ("query", "query_prune", "key", "key_prune", "value")
WARM_UP = 5


@dataclass(frozen=True)
class Timing:
    """Median milliseconds of one form at one size; bytes are those of inputs and outputs."""

    kernel: str
    dtype: str
    form: str
    ms: float
    gb_per_s: float
    share: float


def inputs_of(case: AttentionCase, dtype: torch.dtype, device: str) -> dict[str, Tensor]:
    """The case's tensors in `dtype`, matches int32. Shapes as in `AttentionCase.arrays`."""
    arrays = {name: torch.from_numpy(array) for name, array in case.arrays().items()}
    return {name: x.to(device, torch.int32 if name == "matches" else dtype) for name, x in arrays.items()}


def reference(case: AttentionCase, tensors: dict[str, Tensor]) -> Attention:
    """The layer in plain PyTorch, which gathers candidates. `tensors` are those of `inputs_of`."""
    function = getattr(
        attention, "dense_attention" if case.scale == "dense" else f"{case.scale}_scale_attention"
    )
    named = {name: x.long() if name == "matches" else x for name, x in tensors.items()}
    result: Attention = function(**named, **case.settings)
    return result


def problem_of(case: AttentionCase, tensors: dict[str, Tensor]) -> native.Problem:
    """Sizes and settings of a sparse layer, as the kernels take them. `tensors` are those of `inputs_of`.

    Raises:
        DynastError: Where shapes do not fit together.
    """
    query, query_prune, key, key_prune, value = (tensors[name] for name in GRADIENTS)
    top_k, temperature = case.settings["top_k"], case.settings["temperature"]
    layer = (case.scale == "inner", case.size, case.size, top_k, temperature, False)
    return attention_problem.problem_of(
        query, query_prune, key, key_prune, value, tensors["matches"], None, *layer
    )


def kernel(case: AttentionCase, tensors: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """attended, confidence and matches of the GPU kernel. `tensors` are those of `inputs_of`.

    Raises:
        DynastError: Where the GPU kernels are not built or refuse the sizes.
    """
    settings: dict[str, Any] = case.settings
    if case.scale == "dense":
        return torch_gpu.dense(*tensors.values(), **settings)
    outputs = attention_problem.new_outputs(tensors["query"], tensors["value"], None, case.settings["top_k"])
    operands = [*(tensors[name] for name in (*GRADIENTS, "matches")), None]
    torch_gpu.forward(problem_of(case, tensors), operands, outputs)
    return outputs[:3]


def kernel_gradients(case: AttentionCase, tensors: dict[str, Tensor], incoming: list[Tensor]) -> list[Tensor]:
    """Gradients of query, query_prune, key, key_prune and value by the GPU kernel.

    incoming: the gradients of attended and of confidence. Gradients have the shapes of `tensors`, which are those of
    `inputs_of`.

    Raises:
        DynastError: Where the GPU kernels are not built or refuse the sizes.
    """
    query = tensors["query"]
    operands = [*(tensors[name] for name in (*GRADIENTS, "matches")), None]
    grads = [*incoming, query.new_empty(*query.shape[:2], 0)]
    return torch_gpu.backward(problem_of(case, tensors), operands, grads, [True] * 5 + [False])[:5]


def median_ms(run: Callable[[int], object], repeats: int) -> float:
    """Median time between device events; `run` is told the number of the run, to rotate its inputs."""
    for i in range(WARM_UP):
        run(i)
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(repeats)]  # type: ignore[no-untyped-call, unused-ignore]
    for i, (begin, end) in enumerate(events):
        begin.record()
        run(i)
        end.record()
    torch.cuda.synchronize()
    result: float = statistics.median(begin.elapsed_time(end) for begin, end in events)
    return result


def copy_gb_per_s(repeats: int) -> float:
    """Bytes read and written each second by a large copy."""
    source = torch.ones(1 << 28, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    return 2 * source.numel() / 1e6 / median_ms(lambda _: target.copy_(source), repeats)


def time_case(case: AttentionCase, name: str, copy: float, repeats: int) -> list[Timing]:
    """The kernel by team, PyTorch's gather form, and for sparse layers both ways of the backward pass.

    Raises:
        DynastError: Where the GPU kernels are not built or refuse the sizes.
    """
    dtype = DTYPES[name]
    sized = AttentionCase(**{**asdict(case), "dtype": "float32" if name == "float32" else "float16"})
    sets = [inputs_of(case, dtype, "cuda") for _ in range(4)]
    forms: dict[str, Callable[[int], object]] = {
        "kernel": lambda i: kernel(case, sets[i % 4]),
        "PyTorch": lambda i: reference(case, sets[i % 4]),
    }
    if case.scale != "dense":
        query = sets[0]["query"]
        incoming = [torch.ones_like(sets[0]["value"]), query.new_ones(*query.shape[:2], 1)]
        forms["backward"] = lambda i: kernel_gradients(case, sets[i % 4], incoming)
        forms |= {f"kernel, team of {team}": _with_team(case, sets, team) for team in (8, 16, 32)}
    with torch.no_grad():
        found = {form: median_ms(run, repeats) for form, run in forms.items()}
    rate = sized.bytes / 1e6
    return [Timing(case.scale, name, form, ms, rate / ms, rate / ms / copy) for form, ms in found.items()]


def _with_team(case: AttentionCase, sets: list[dict[str, Tensor]], team: int) -> Callable[[int], object]:
    outputs = attention_problem.new_outputs(sets[0]["query"], sets[0]["value"], None, case.settings["top_k"])
    problem = problem_of(case, sets[0])
    storage = torch_gpu.STORAGE[sets[0]["query"].dtype]

    def run(i: int) -> None:
        operands = [sets[i % 4][name] for name in (*GRADIENTS, "matches")]
        addresses = [*(x.data_ptr() for x in operands), None, *(x.data_ptr() for x in outputs[:3]), None]
        stream = torch.cuda.current_stream().cuda_stream
        native_gpu.forward(problem, native.Forward(*addresses), storage, stream, team)

    return run


def timed_cases(size: int) -> list[AttentionCase]:
    """The finest scale and the coarsest of the published model for a picture of `size`."""
    fine, coarse = (size, 80, 16, 64), (size // 8, 640, 128, 512)
    layers = (("inner", fine), ("inter", fine), ("dense", coarse))
    return [
        AttentionCase(scale, *sizes, dtype="float32", scattered=False, threads=1) for scale, sizes in layers
    ]


def table(timings: list[Timing]) -> str:
    """The timings as text, each with its time over that of the kernel for the same layer and type."""
    fastest = {(t.kernel, t.dtype): t.ms for t in timings if t.form == "kernel"}
    lines = [f"{'layer':<6} {'type':<9} {'form':<20} {'ms':>9} {'ratio':>6} {'GB/s':>7} {'of copy':>8}"]
    for t in timings:
        ratio = t.ms / fastest[t.kernel, t.dtype]
        lines.append(
            f"{t.kernel:<6} {t.dtype:<9} {t.form:<20} {t.ms:9.4f} {ratio:6.1f} {t.gb_per_s:7.0f} {t.share:8.1%}"
        )
    return "\n".join(lines)


def measure(size: int, repeats: int) -> list[Timing]:
    """Time every layer and type at a picture of `size`.

    Raises:
        DynastError: There is no GPU that PyTorch can use, or the GPU kernels are not built.
    """
    if not torch.cuda.is_available():
        raise DynastError("--device cuda needs an NVIDIA GPU and a PyTorch with CUDA; see `dynast doctor`")
    if not native_gpu.available():
        raise DynastError(f"the GPU kernels are not built; build them with: {native_gpu.BUILD_COMMAND}")
    copy = copy_gb_per_s(repeats)
    return [t for case in timed_cases(size) for name in DTYPES for t in time_case(case, name, copy, repeats)]


def run(size: int, repeats: int, target: Path | None) -> None:
    """Print the table; write the timings to `target` too if there is one.

    Raises:
        DynastError: There is no GPU, the kernels are not built, or `target` cannot be written.
    """
    timings = measure(size, repeats)
    print(table(timings))
    if target:
        write_text(target, json.dumps([asdict(timing) for timing in timings], indent=1) + "\n")
