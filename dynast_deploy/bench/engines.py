"""Engine files on this CPU, one alone or side by side: is the smaller one faster here?"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from dynast_deploy.bench.compare import Side, Worker
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.files.scratch_folder import temporary_folder


def run_engines(
    engines: Sequence[Path], threads: int | None, repeats: int, output: Path | None = None
) -> dict[str, Side]:
    """Frames of every engine in turn, each in its own process; prints a table, and of several which file to take.

    The medians go to `output` as JSON.

    Raises:
        DynastError: A file is not an engine or is named twice, an engine does not run, or `output` cannot be written.
    """
    from dynast_deploy.formats.onnx_model import ModelMetadata
    from dynast_deploy.formats.onnx_reader import read_graph
    from dynast_deploy.onnxruntime_session import import_onnxruntime
    from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning

    if len(set(engines)) < len(engines):
        raise DynastError("--engine: name each file once; they are compared with each other")
    onnxruntime = import_onnxruntime()
    for engine in engines:
        ModelMetadata.read(read_graph(engine), str(engine))
    operators_or_warning(onnxruntime)
    threads = threads or os.cpu_count() or 1
    with temporary_folder("dynast-bench") as folder, ExitStack() as stack:
        picture = folder / "picture.npy"
        workers = [stack.enter_context(Worker("engine", engine, threads, picture)) for engine in engines]
        for worker in workers:
            worker.warm_up()
        for _ in range(repeats):
            for worker in workers:
                worker.frame()
    sides = {str(engine): worker.result for engine, worker in zip(engines, workers, strict=True)}
    print_engines(sides, threads)
    if output is not None:
        write_text(output, json.dumps(document(sides, threads), indent=2) + "\n")
    return sides


def document(sides: dict[str, Side], threads: int) -> dict[str, Any]:
    """What was measured, for JSON: medians in seconds, peaks in 10**6 bytes, shares of the first engine's time."""
    first = next(iter(sides.values()))
    rows = [
        {
            "engine": engine,
            "frame_s": side.frame_s,
            "processor_s": side.processor_s,
            "of_the_first": side.frame_s / first.frame_s,
            "peak_mb": side.peak_mb,
            "frames": len(side.frames),
        }
        for engine, side in sides.items()
    ]
    return {"threads": threads, "engines": rows}


def print_engines(sides: dict[str, Side], threads: int) -> None:
    """Print the table of all engines, and of several which one to use."""
    from rich.console import Console
    from rich.table import Table

    first = next(iter(sides.values()))
    table = Table(title=f"One frame on {threads} CPU threads (medians)", title_justify="left")
    for heading in ("engine", "seconds", "of the first", "peak memory, MB"):
        table.add_column(heading, justify="left" if heading == "engine" else "right", overflow="fold")
    for engine, side in sides.items():
        ratio = side.frame_s / first.frame_s
        table.add_row(engine, f"{side.frame_s:.3f}", f"{ratio:.2f}", f"{side.peak_mb:.0f}")
    Console().print(table)
    if len(sides) > 1:
        print(verdict(sides))


def verdict(sides: dict[str, Side]) -> str:
    """Which file to use on this machine: the fastest, unless that is the first, or within 2 % of it."""
    (first, kept), *_ = sides.items()
    fastest = min(sides, key=lambda engine: sides[engine].frame_s)
    if sides[fastest].frame_s > 0.98 * kept.frame_s:
        return f"on this CPU nothing is gained over {first}: use it"
    return f"on this CPU {fastest} is the fastest: {kept.frame_s / sides[fastest].frame_s:.2f} times {first}"
