"""`dynast inspect`: what a checkpoint, an ONNX file or an engine bundle holds."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Annotated, Any

import typer

from dynast_deploy.commands.show import megabytes, show
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind, kind_of


def inspect(
    file: Annotated[Path, typer.Argument(help="Checkpoint, ONNX file or model.plan.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what a checkpoint or an engine (model.onnx, model.plan) holds.

    Raises:
        DynastError: Where the file cannot be read.
    """
    show(describe(file), as_json)


def describe(file: Path) -> dict[str, Any]:
    """What the file holds, for `commands.show`. Its kind is told by its contents, not by its name.

    Raises:
        DynastError: For a file that is missing, damaged or of no kind that is known here, and for a checkpoint where
            PyTorch is not installed.
    """
    kind = kind_of(file)
    read = {FileKind.PLAN: _bundle, FileKind.ONNX: _onnx_file, FileKind.ARCHIVE: _archive}.get(
        kind, _checkpoint
    )
    return {"file": str(file), "size_mb": megabytes(file.stat().st_size)} | read(file)


def _checkpoint(file: Path) -> dict[str, Any]:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise DynastError(
            f"{file}: reading a checkpoint needs PyTorch: pip install 'dynast-deploy[export]'"
        ) from None
    from dynast_deploy.commands.inspect_checkpoint import describe_checkpoint

    return describe_checkpoint(file)


def _onnx_file(file: Path) -> dict[str, Any]:
    from dynast_deploy.commands.inspect_onnx import describe_onnx

    return describe_onnx(file)


def _bundle(file: Path) -> dict[str, Any]:
    from dynast_deploy.commands.inspect_plan import describe_plan

    return describe_plan(file)


def _archive(file: Path) -> dict[str, Any]:
    """Any zip archive."""
    with zipfile.ZipFile(file) as archive:
        entries = [
            {"name": entry.filename, "size_mb": megabytes(entry.file_size)} for entry in archive.infolist()
        ]
    return {"kind": "zip archive", "entries": entries}
