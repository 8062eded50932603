"""`dynast bench`: the engine beside the published formulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def bench(
    ngf: Annotated[int, typer.Option(min=1, help="Channels at full size.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Attention blocks per scale.")] = 2,
    size: Annotated[int, typer.Option(min=16, help="Picture height and width in pixels.")] = 256,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all cores]")] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Frames of each side.")] = 5,
    engine: Annotated[
        list[Path] | None, typer.Option(help="Compare these engine files with each other instead.")
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the medians to this file.")] = None,
) -> None:
    """Compare one frame of the engine with the published formulation in eager PyTorch, on the CPU.

    The weights are random. Needs PyTorch; with --engine, two ONNX files or more are compared, without it.
    """
    if engine:
        from dynast_deploy.bench.engines import run_engines

        run_engines(engine, threads, repeats)
        return
    from dynast_deploy.bench.command import run_bench

    run_bench(ngf, layers, size, threads, repeats, json)
