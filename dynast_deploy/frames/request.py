"""Which frames a model is measured on: the options that calibrate, sensitivity and verify share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.condition_options import ExemplarsOptions


@dataclass(frozen=True)
class FrameRequest(ExemplarsOptions):
    """Where the frames come from and how many are taken, spelled for the command line as `ConditionOptions` is.

    `data` is a video, a folder, a picture, an .npz of arrays or the name of data that ship; empty where none is named.
    """

    data: Annotated[
        str,
        typer.Option(
            help="What to measure on: a video, a folder of pictures, arrays (.npz), or shipped data by name "
            "(marionette).",
            show_default=False,
        ),
    ] = ""
    frames: Annotated[int, typer.Option(min=1, help="Frames to take, evenly spread.")] = 200
    exemplars: Annotated[
        Sequence[Path], typer.Option("--exemplar", help="Exemplar; several are taken in turn.")
    ] = ()
