"""`dynast bench`: the engine compared with the published formulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.errors import DynastError
from dynast_deploy.files.written_files import check_written
from dynast_deploy.formats.file_kind import FileKind, kind_of


def bench(
    ngf: Annotated[int, typer.Option(min=1, help="Channels at full size.")] = 64,
    layers: Annotated[int, typer.Option(min=1, help="Attention blocks per scale.")] = 2,
    size: Annotated[int, typer.Option(min=16, help="Picture height and width in pixels.")] = 256,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads [default: all cores]")] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Frames of each side.", show_default="5; 200 of a plan")
    ] = None,
    engine: Annotated[
        list[Path] | None, typer.Option(help="Measure these .onnx files instead, or one .plan.")
    ] = None,
    batch: Annotated[
        list[int] | None,
        typer.Option(help="Frames at once, of a plan.", show_default="1, 2, 4, 8 and 16"),
    ] = None,
    json: Annotated[Path | None, typer.Option(help="Write the medians to this file.")] = None,
) -> None:
    """Compare one frame of the engine with the published formulation in eager PyTorch, on the CPU.

    The weights are random. Needs PyTorch; with --engine, ONNX files are measured, several side by side, or a plan on
    its GPU, without it.

    Raises:
        DynastError: Where options exclude each other, an engine cannot be run, or PyTorch is missing.
    """
    check_written({"--json": json}, {"engine being read": engine})
    if engine and any(kind_of(path) is FileKind.PLAN for path in engine):
        from dynast_deploy.bench.plan import BATCHES, run_plan

        if len(engine) > 1:
            raise DynastError("--engine: a plan is measured alone; name one")
        run_plan(engine[0], batch or BATCHES, repeats or 200, json)
        return
    repeats = repeats or 5
    if engine:
        from dynast_deploy.bench.engines import run_engines

        run_engines(engine, threads, repeats, json)
        return
    from dynast_deploy.bench.command import run_bench

    run_bench(ngf, layers, size, threads, repeats, json)
