"""`dynast data`: look at training data before training on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError


def data(
    task: Annotated[Task, typer.Option(help="What conditions show.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="SOURCE",
            help="Folder with a data set, or the name of a shipped source.",
            show_default="the shipped one",
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Picture to write.")] = Path("samples.png"),
    count: Annotated[int, typer.Option(min=1, max=64, help="Samples to draw.")] = 6,
    first: Annotated[int, typer.Option(min=0, help="Number of the first one.")] = 0,
    size: Annotated[int, typer.Option(min=8, max=1024, help="Side of the square pictures, in pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Of order, pairs, augmentation and identities.")] = 0,
    held_out: Annotated[bool, typer.Option("--held-out", help="What is kept from training.")] = False,
) -> None:
    """Draw training samples: exemplar, its condition, condition, target, and the exemplar warped to the target.

    Raises:
        DynastError: Where there are no such data, the picture cannot be written, or PyTorch is missing.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise DynastError("training data needs PyTorch: pip install 'dynast-deploy[train]'") from None
    from dynast_deploy.files.written_files import check_written
    from dynast_deploy.media.picture_files import check_picture_name, write_picture
    from dynast_deploy.tasks.training_data import training_data
    from dynast_deploy.training.contact_sheet import contact_sheet

    check_picture_name(out)
    check_written({"--out": out}, {"data being read": source})
    stream = training_data(task, source, size, seed, held_out)
    count = min(count, stream.entries or count)
    samples = [stream[number] for number in range(first, first + count)]
    write_picture(out, contact_sheet(samples))
    for number, sample in enumerate(samples, start=first):
        same = "same identity" if sample["same_identity"] else "another identity"
        print(f"{number}: {sample['name']} ({same})")
        for damaged in sample["skipped"].splitlines():
            print(f"   skipped: {damaged}")
    print(out)
