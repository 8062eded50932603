"""`dynast bench`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from dynast_deploy.bench.compare import Comparison, compare, worker_environment
from dynast_deploy.bench.stage_times import StageTime, stage_times
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.files.scratch_folder import temporary_folder


def run_bench(
    ngf: int, layers: int, size: int, threads: int | None, repeats: int, output: Path | None
) -> None:
    """Compare, print both tables, and write the medians to `output` as JSON. See `dynast bench --help`.

    Raises:
        DynastError: PyTorch or ONNX Runtime is not installed, the sizes do not make a generator, or a side fails.
    """
    from dynast_deploy.bench.random_model import write_random_model
    from dynast_deploy.onnxruntime_session import import_onnxruntime
    from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning

    operators_or_warning(import_onnxruntime())
    threads = threads or os.cpu_count() or 1
    with temporary_folder("dynast-bench") as folder:
        print(
            f"ngf {ngf}, {layers} layers, {size}x{size}, random weights, {threads} threads, CPU", flush=True
        )
        checkpoint, engine = write_random_model(folder, ngf, layers, size)
        result = compare(engine, checkpoint, threads, repeats, folder)
        spent = profile(engine, threads, repeats, folder)
    print_comparison(result)
    print_stages(spent)
    if output is not None:
        write_text(output, json.dumps(result.to_dict(), indent=2) + "\n")


def profile(engine: Path, threads: int, repeats: int, folder: Path) -> list[StageTime]:
    """The stages of the engine's frame, rendered in a process of its own."""
    command = [sys.executable, "-m", "dynast_deploy.bench.profile_frame"]
    prefix = folder / "profile"
    arguments = [str(engine), str(threads), str(repeats), str(prefix)]
    subprocess.run([*command, *arguments], check=True, env=worker_environment(threads))
    return stage_times(next(folder.glob("profile*.json")))


def print_comparison(result: Comparison) -> None:
    """Print the table of both sides, and how it was measured."""
    from rich.console import Console
    from rich.table import Table

    numbers, engine, published = result.to_dict(), result.engine, result.published
    table = Table(title="One frame (medians)", title_justify="left")
    for heading in ("", "engine", "published", "ratio"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row(
        "seconds", f"{engine.frame_s:.3f}", f"{published.frame_s:.3f}", f"{numbers['frame_ratio']:.3f}"
    )
    ratio = engine.processor_s / published.processor_s
    table.add_row(
        "processor seconds", f"{engine.processor_s:.3f}", f"{published.processor_s:.3f}", f"{ratio:.3f}"
    )
    table.add_row(
        "peak memory, MB", f"{engine.peak_mb:.0f}", f"{published.peak_mb:.0f}", f"{numbers['peak_ratio']:.3f}"
    )
    console = Console()
    console.print(table)
    console.print(
        f"{len(engine.frames)} frames each, in turn, every side in its own process. Engine: the exemplar is encoded "
        "before, as for a video. Published: gathered candidates, nothing cached, eager PyTorch. Peak memory is each "
        "process's largest resident size from its start: interpreter, libraries, loading, encoding, frames. "
        f"Both draw the same picture (PSNR {result.psnr:.0f} dB).",
        highlight=False,
    )


def print_stages(spent: list[StageTime]) -> None:
    """Print the table of the frame's stages, the longest first."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="The engine's frame by stage", title_justify="left")
    for heading in ("stage", "ms", "share", "nodes"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in spent:
        table.add_row(stage.name, f"{stage.milliseconds:.1f}", f"{stage.share:.1%}", str(stage.nodes))
    Console().print(table)
