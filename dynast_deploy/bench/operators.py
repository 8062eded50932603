"""Time the attention operators on this machine: `python -m dynast_deploy.bench.operators`.

One row for each operator, storage type and implementation: the ONNX Runtime operator of this package, the function
body that exported models carry (what ONNX Runtime runs without the library), the reference in plain PyTorch, which
gathers candidates, and this package's PyTorch operator. Bytes are those of the inputs and outputs, each once; their
share of the machine's copy bandwidth says how far the time is from what any implementation could reach. Each row is
measured in a process of its own, since thread pools disturb each other.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.bench.attention_case import AttentionCase, published_cases
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.files.written_files import check_written
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.plugins.bindings import library, native
from dynast_deploy.runtime.memory import return_freed_memory

PROGRAM = "python -m dynast_deploy.bench.operators"
IMPLEMENTATIONS = ("operator", "function body", "PyTorch operator", "PyTorch")


@dataclass(frozen=True)
class Row:
    """A measurement.

    mb: bytes that have to be moved, inputs and outputs once each, in 10**6; copy_share: the time that a copy of as many
    bytes takes, by as many threads, over the time measured; peak_mb: by how much the process grew in a run, outputs
    included, None where the system does not tell.
    """

    case: AttentionCase
    implementation: str
    ms: float
    mb: float
    copy_share: float
    peak_mb: float | None


def measure(case: AttentionCase, implementation: str, repeats: int) -> Row:
    """Measure in this process: the fastest of `repeats` runs after one to warm up.

    Raises:
        DynastError: Where ONNX Runtime or the kernels are not installed or cannot run the layer.
    """
    run = {
        "operator": lambda: _onnxruntime(case, onnxruntime_library()),
        "function body": lambda: _onnxruntime(case, None),
        "PyTorch operator": lambda: _torch(case, "operator"),
        "PyTorch": lambda: _torch(case, "reference"),
    }[implementation]()
    grown = _growth_mb(run)  # the first run: later ones find memory that the process has kept
    ms = min(_time_ms(run) for _ in range(repeats))
    copy_ms_per_byte = _copy_ms_per_byte(case.threads)
    return Row(case, implementation, ms, case.bytes / 1e6, copy_ms_per_byte * case.bytes / ms, grown)


def _time_ms(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1e3


def _copy_ms_per_byte(threads: int) -> float:
    """How long a copy by that many threads takes for each byte that it reads or writes."""
    source = np.ones((threads, 1 << 25), np.uint8)
    target = np.empty_like(source)
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(np.copyto, target, source))

        copy()
        return min(_time_ms(copy) for _ in range(5)) / (2 * source.nbytes)


def _growth_mb(run: Callable[[], object]) -> float | None:
    """Peak resident memory of one run over what was resident before; Linux tells it, others do not."""
    status = Path("/proc/self/status")

    def resident_mb(field: str) -> float:
        line = next(line for line in status.read_text().splitlines() if line.startswith(field))
        return int(line.split()[1]) * 1024 / 1e6

    try:
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
    except OSError:
        return None
    return_freed_memory()  # or the run would find what making its inputs left behind
    before = resident_mb("VmRSS")
    run()
    return resident_mb("VmHWM") - before


def _onnxruntime(case: AttentionCase, operators: Path | None) -> Callable[[], object]:
    from onnx import TensorProto, helper

    from dynast_deploy.export.attention_functions import OUTPUTS, attention_functions
    from dynast_deploy.formats.onnx_model import DOMAIN
    from dynast_deploy.onnxruntime_session import make_session

    name = {"inter": "InterScaleAttention", "inner": "InnerScaleAttention", "dense": "DenseAttention"}[
        case.scale
    ]
    kind = TensorProto.FLOAT16 if case.dtype == "float16" else TensorProto.FLOAT
    feeds = case.arrays()
    plugin: dict[str, Any] = {"plugin_namespace": DOMAIN, "plugin_version": "1", "aot": 1}
    node = helper.make_node(name, list(feeds), OUTPUTS, domain=DOMAIN, **case.settings, **plugin)
    inputs, outputs = (
        [
            helper.make_tensor_value_info(n, TensorProto.INT32 if "matches" in n else kind, [None] * 3)
            for n in names
        ]
        for names in (feeds, OUTPUTS)
    )
    model = helper.make_model(
        helper.make_graph([node], "attention", inputs, outputs),
        functions=attention_functions(),
        opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid(DOMAIN, 1)],
        ir_version=10,
    )
    session = make_session(model.SerializeToString(), threads=case.threads, operators=operators)
    return lambda: session.run(None, feeds)


def _torch(case: AttentionCase, form: str) -> Callable[[], object]:
    import torch

    from dynast_deploy import attention
    from dynast_deploy.plugins.pyt import attention as torch_ops

    torch.set_num_threads(case.threads)
    module: Any = torch_ops if form == "operator" else attention
    function = getattr(module, {"dense": "dense_attention"}.get(case.scale, f"{case.scale}_scale_attention"))
    inputs = {name: torch.from_numpy(array) for name, array in case.arrays().items()}
    if "matches" in inputs:
        inputs["matches"] = inputs["matches"].long()

    def run() -> object:
        with torch.no_grad():
            return function(**inputs, **case.settings)

    return run


def table(rows: list[Row]) -> str:
    """The rows as text, each with its time over that of this package's ONNX Runtime operator for the same case."""
    fastest = {row.case: row.ms for row in rows if row.implementation == "operator"}
    head = (
        f"{'layer':<6} {'type':<8} {'matches':<10} {'implementation':<17} {'ms':>8} {'ratio':>6} {'MB':>6} "
    )
    lines = [head + f"{'of copy':>8} {'peak MB':>8}"]
    for row in rows:
        case = row.case
        matches = "-" if case.scale == "dense" else "scattered" if case.scattered else "smooth"
        ratio = f"{row.ms / fastest[case]:6.1f}" if case in fastest else " " * 6
        lines.append(
            f"{case.scale:<6} {case.dtype:<8} {matches:<10} {row.implementation:<17} {row.ms:8.1f} {ratio} "
            f"{row.mb:6.1f} {row.copy_share:8.0%} {'' if row.peak_mb is None else f'{row.peak_mb:.0f}':>8}"
        )
    return "\n".join(lines)


def _runnable(case: AttentionCase) -> list[str]:
    """Implementations that this machine has for a case; PyTorch computes in float32 only."""
    absent = set()
    if onnxruntime_library() is None:
        absent.add("operator")
    if not native.available():
        absent.add("PyTorch operator")
    if case.dtype != "float32":
        absent |= {"PyTorch operator", "PyTorch"}
    if case.scale == "dense":
        absent |= {"PyTorch operator", "function body"}  # not there: models carry standard operators instead
    return [implementation for implementation in IMPLEMENTATIONS if implementation not in absent]


def main(arguments: list[str] | None = None) -> None:
    """Measure and print; see `python -m dynast_deploy.bench.operators --help`.

    Raises:
        SystemExit: With status 2: a package is not installed, kernels are not built, an option is wrong, or the
            file cannot be written.
    """
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--size", type=int, default=256, help="picture size (default 256)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: the GPU kernels")
    parser.add_argument("--threads", type=int, default=2, help="threads of each implementation (default 2)")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the fastest counts (default 5)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    options = parser.parse_args(arguments)
    if options.size < 32 or options.size % 8 or options.threads < 1 or options.repeats < 1:
        parser.error("--size has to be a multiple of 8 from 32 on, --threads and --repeats at least 1")
    try:
        check_written({"--json": options.json}, {})
        if options.device == "cuda":
            from dynast_deploy.bench import operators_gpu

            operators_gpu.run(options.size, options.repeats, options.json)
            return
        if onnxruntime_library() is None:
            print(
                f"the ONNX Runtime operators are not built; build them with: {library.BUILD_COMMAND}",
                file=sys.stderr,
            )
        rows = []
        for case in published_cases(options.size, options.threads):
            for implementation in _runnable(case):
                with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
                    rows.append(pool.submit(measure, case, implementation, options.repeats).result())
        print(table(rows))
        if options.json:
            write_text(options.json, json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    except (ImportError, DynastError) as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
