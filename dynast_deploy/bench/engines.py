"""Engine files side by side on this CPU: is the smaller one faster here?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from dynast_deploy.bench.compare import Side, Worker
from dynast_deploy.errors import DynastError
from dynast_deploy.scratch_folder import temporary_folder


def run_engines(engines: Sequence[Path], threads: int | None, repeats: int) -> dict[str, Side]:
    """Frames of every engine in turn, each in its own process; prints a table and which file to take."""
    from dynast_deploy.runtime.onnx_file import read_graph
    from dynast_deploy.runtime.onnxruntime_engine import import_onnxruntime

    if len(engines) < 2 or len(set(engines)) < len(engines):
        raise DynastError("--engine: name two files or more, each once; they are compared with each other")
    import_onnxruntime()
    for engine in engines:
        read_graph(engine)
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
    return sides


def print_engines(sides: dict[str, Side], threads: int) -> None:
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
    print(verdict(sides))


def verdict(sides: dict[str, Side]) -> str:
    """Which file to use on this machine: the fastest, unless that is the first, or within 2 % of it."""
    (first, kept), *_ = sides.items()
    fastest = min(sides, key=lambda engine: sides[engine].frame_s)
    if sides[fastest].frame_s > 0.98 * kept.frame_s:
        return f"on this CPU nothing is gained over {first}: use it"
    return f"on this CPU {fastest} is the fastest: {kept.frame_s / sides[fastest].frame_s:.2f} times {first}"
