"""`dynast export-triton model.plan DIR`: a model repository for NVIDIA Triton."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_failure
from dynast_deploy.files.scratch_folder import scratch_folder
from dynast_deploy.formats.manifest import PlanKind
from dynast_deploy.formats.plan import read_manifest, read_plans


def export_triton(
    plan: Annotated[Path, typer.Argument(help="What dynast build-engine wrote, for TensorRT.")],
    folder: Annotated[Path, typer.Argument(help="Model repository to make; new or empty.")],
    gpu: Annotated[int, typer.Option(min=0, help="Number of the GPU that serves.")] = 0,
    renderers: Annotated[int, typer.Option(min=1, help="Instances of the frame renderer.")] = 1,
    exemplars: Annotated[int, typer.Option(min=1, help="Encoded exemplars kept on the GPU.")] = 8,
    delay: Annotated[
        int, typer.Option(min=0, help="Microseconds that a frame may wait for others of its exemplar.")
    ] = 2000,
) -> None:
    """Write a model repository for NVIDIA Triton: single pictures, and streams that share encoded exemplars.

    Raises:
        DynastError: Where the plan cannot be read or is not for TensorRT, or the folder is not empty or cannot be
            written.
    """
    from dynast_deploy.export.triton.repository import Serving, write_models

    manifest = read_manifest(plan)
    if manifest.kind is not PlanKind.TENSORRT:
        raise DynastError(
            f"{plan}: made for {manifest.kind.library}, which Triton does not run; build one for TensorRT on the "
            f"server's GPU: dynast build-engine --onnx {manifest.source} -o {plan}"
        )
    plans = read_plans(plan)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DynastError(f"{folder}: there is something already; name a new folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with scratch_folder(folder.parent, folder.name) as partial:
            write_models(partial, manifest, plans, Serving(gpu, renderers, exemplars, delay))
            partial.chmod(0o755)
            partial.replace(folder)
    except OSError as error:
        failure = write_failure(folder, error)
        raise failure from error
    print(f"{folder}: models dynast (single pictures) and dynast_stream (streams), {manifest.precision}")
    print(f"it needs a Triton whose TensorRT is {manifest.library_version}; how to start it: docs/triton.md")
