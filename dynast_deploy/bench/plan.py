"""A plan on this GPU: milliseconds of a frame with and without copies, with and without CUDA graphs, by batch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dynast_deploy.bench.timing import milliseconds, milliseconds_of
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text

BATCHES = (1, 2, 4, 8, 16)


def run_plan(path: Path, batches: Sequence[int], repeats: int, output: Path | None) -> list[dict[str, Any]]:
    """A row for each number of frames, without and with CUDA graphs; prints a table and writes JSON to `output`.

    Times are milliseconds of a whole batch: `copied` from bytes on the host to bytes on the host, one batch after
    another; `computed` the renderer alone, what it reads and writes staying on the GPU. `frames_per_second` is with the
    next batch submitted before the last is asked for, as dynast-run does.

    Raises:
        DynastError: The plan does not run here or takes none of the batches, or `output` cannot be written.
    """
    from dynast_deploy.formats.plan import read_manifest
    from dynast_deploy.runtime.trt.engine import TensorRTEngine

    limits = read_manifest(path).batch
    fitting = [batch for batch in batches if limits.min <= batch <= limits.max]
    if not fitting:
        raise DynastError(f"{path} takes {limits.min} to {limits.max} frames at once; name such a --batch")
    rows = []
    for graphs in (False, True):
        with TensorRTEngine(path, cuda_graphs=graphs) as engine:
            rows += [
                {"batch": batch, "cuda_graphs": graphs, **_measure(engine, batch, repeats)}
                for batch in fitting
            ]
    rows.sort(key=lambda row: (row["batch"], row["cuda_graphs"]))
    print_rows(path, rows, repeats, left_out=[batch for batch in batches if batch not in fitting])
    if output is not None:
        write_text(output, json.dumps(rows, indent=2) + "\n")
    return rows


def _measure(engine: Any, batch: int, repeats: int) -> dict[str, Any]:
    info = engine.info
    random = np.random.default_rng(0)
    picture = random.integers(0, 256, (1, 3, info.height, info.width), np.uint8)
    conditions = random.integers(0, 256, (batch, info.channels, info.height, info.width), np.uint8)
    exemplar = engine.encode_exemplar(picture, conditions[:1])
    copied = milliseconds_of(lambda: engine.submit(exemplar, conditions).result(), repeats)
    computed = milliseconds_of(lambda: engine.compute(exemplar, batch), repeats)
    waiting = [engine.submit(exemplar, conditions)]

    def ahead() -> None:
        waiting.append(engine.submit(exemplar, conditions))
        waiting.pop(0).result()

    overlapped = milliseconds(ahead, repeats)
    waiting.pop().result()
    return {
        "copied": copied,
        "computed": computed,
        "frames_per_second": round(batch * 1e3 / float(np.mean(overlapped)), 1),
    }


def print_rows(path: Path, rows: list[dict[str, Any]], repeats: int, left_out: Sequence[int]) -> None:
    """Print a row for each batch size, without and with CUDA graphs, and the sizes that the plan was not built for."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{path}: milliseconds, p50 / p95 / p99 of {repeats} batches", title_justify="left")
    for heading in ("batch", "CUDA graphs", "with copies", "without copies", "frames/s, overlapping"):
        table.add_column(heading, justify="right")
    for row in rows:
        times = (" / ".join(f"{ms:.2f}" for ms in row[kind].values()) for kind in ("copied", "computed"))
        graphs = "yes" if row["cuda_graphs"] else "no"
        table.add_row(str(row["batch"]), graphs, *times, f"{row['frames_per_second']:.1f}")
    console = Console()
    console.print(table)
    if left_out:
        console.print(
            f"the plan was not built for batches of {', '.join(map(str, left_out))}", highlight=False
        )
