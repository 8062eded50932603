"""`dynast convert`: a checkpoint from one layout to the other."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.errors import DynastError


class Layout(StrEnum):
    """How a checkpoint is laid out: as the published code reads and writes it, or with its configuration."""

    PUBLISHED = "published"
    DYNAST = "dynast"


def convert(
    checkpoint: Annotated[Path, typer.Argument(metavar="CKPT", help="Checkpoint in either layout.")],
    out: Annotated[Path, typer.Argument(help="File to write.")],
    to: Annotated[
        Layout, typer.Option(help="published: a bare state dict; dynast: with configuration and task.")
    ],
    top_k: Annotated[
        int | None, typer.Option(help="Matches per query, where CKPT does not hold it.", show_default="4")
    ] = None,
    smooth: Annotated[
        float | None,
        typer.Option(
            help="Softmax temperature of the fine scales, where CKPT does not hold it.", show_default="0.01"
        ),
    ] = None,
) -> None:
    """Write a generator's checkpoint in the other layout.

    Of training.pth the averaged generator is taken, and what only training needs is left behind.

    Raises:
        DynastError: Where the checkpoint cannot be read, the output cannot be written, or PyTorch is missing.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise DynastError("checkpoints are read by PyTorch: pip install 'dynast-deploy[export]'") from None
    from dynast_deploy.checkpoint import FORMAT, load_generator, save_generator, save_published
    from dynast_deploy.config import GeneratorConfig, Task
    from dynast_deploy.files.written_files import check_written
    from dynast_deploy.formats.checkpoint_file import read_checkpoint

    check_written({"output": out}, {"checkpoint being read": checkpoint})
    generator = load_generator(checkpoint, top_k=top_k, smooth=smooth)
    config = generator.config
    if to is Layout.PUBLISHED:
        save_published(generator, out)
        unwritten = GeneratorConfig(config.semantic_nc)
        for name, option in (("top_k", "--top-k"), ("smooth", "--smooth")):
            if (value := getattr(config, name)) != getattr(unwritten, name):
                print(
                    f"note: {name} is {value}, which this layout cannot hold; whoever reads {out} has to be told, "
                    f"here by {option} {value}",
                    file=sys.stderr,
                )
    else:
        contents = read_checkpoint(checkpoint)
        kept = ("step", "training") if contents.get("format") == FORMAT else ()
        known = {name: contents[name] for name in kept if name in contents}
        stored = contents.get("task")
        task = stored if isinstance(stored, str) and stored in list(Task) else config.task
        save_generator(generator, out, **known, **({"task": str(task)} if task else {}))
    print(out)
