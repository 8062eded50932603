"""`dynast export ckpt.pth`: a checkpoint becomes one ONNX file that any runtime executes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.command import run
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError

_CHANNELS = ", ".join(f"{task.semantic_nc} {task}" for task in Task)


def export(
    checkpoint: Annotated[Path, typer.Argument(help="PyTorch checkpoint, published layout or our own.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("model.onnx"),
    top_k: Annotated[
        int | None, typer.Option(help="Matches per query.", show_default="the checkpoint's, else 4")
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(
            help="Softmax temperature of the fine scales.", show_default="the checkpoint's, else 0.01"
        ),
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="Picture size HxW.", show_default="the checkpoint's")
    ] = None,
    task: Annotated[
        Task | None,
        typer.Option(help="What conditions show.", show_default=f"by channels: {_CHANNELS}"),
    ] = None,
    fp16: Annotated[
        bool,
        typer.Option(
            "--fp16", help="Half the size, for GPUs. TensorRT plans are made from files without it."
        ),
    ] = False,
) -> None:
    """Export a checkpoint to one ONNX file and check it against the PyTorch generator.

    Raises:
        DynastError: Where the checkpoint cannot be read, options do not fit it, or the file cannot be written.
    """
    import onnx

    from dynast_deploy.checkpoint import load_generator
    from dynast_deploy.export.float16 import to_float16
    from dynast_deploy.export.model import build_model
    from dynast_deploy.export.self_check import difference
    from dynast_deploy.files.atomic_file import AtomicFile
    from dynast_deploy.files.written_files import check_written
    from dynast_deploy.formats.onnx_model import sha256
    from dynast_deploy.size import parse_size

    if not os.path.isdir(output.parent):
        raise DynastError(f"{output}: the folder {output.parent} does not exist")
    check_written({"-o": output}, {"checkpoint being read": checkpoint})
    generator = load_generator(checkpoint, top_k=top_k, smooth=smooth)
    config = generator.config
    if task is not None and task.semantic_nc != config.semantic_nc:
        raise DynastError(
            f"{checkpoint}: conditions of task {task} have {task.semantic_nc} channels, this checkpoint's have "
            f"{config.semantic_nc}; leave --task out or name the right one"
        )
    height, width = parse_size(size or str(config.crop_size))
    model = build_model(generator, height, width, task or config.task, sha256(checkpoint))
    if fp16:
        to_float16(model)
    with AtomicFile(output) as partial:
        onnx.save(model, partial)
    print(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {height}x{width}, {len(model.graph.node)} nodes")
    print(difference(generator, output, height, width))


def main() -> None:
    """Run `export` as a program of its own."""
    run(export)
