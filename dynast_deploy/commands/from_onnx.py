"""`dynast from-onnx model.onnx -o ckpt.pth`: the weights of an engine as a checkpoint to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.command import run


def from_onnx(
    engine: Annotated[Path, typer.Argument(help="A float32 ONNX file that dynast export wrote.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("ckpt.pth"),
) -> None:
    """Write the weights of an engine as a checkpoint, and compare both.

    Raises:
        DynastError: Where the engine is not one that `dynast export` wrote, or the file cannot be written.
    """
    from dynast_deploy.checkpoint import save_generator
    from dynast_deploy.export.self_check import difference
    from dynast_deploy.export.take_weights import weights_of
    from dynast_deploy.files.written_files import check_written
    from dynast_deploy.formats.onnx_model import load_model

    check_written({"-o": output}, {"engine being read": engine})
    generator, task = weights_of(load_model(engine), str(engine))
    save_generator(generator, output, task=task.value)
    size = generator.config.crop_size
    print(output)
    print(difference(generator, engine, size, size))


def main() -> None:
    """Run `from_onnx` as a program of its own."""
    run(from_onnx)
