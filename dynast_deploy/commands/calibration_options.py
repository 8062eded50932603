"""Options that `dynast calibrate` and `dynast sensitivity` share: where the data come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.runtime.options import Fit

Model = Annotated[Path, typer.Argument(help="Engine in ONNX, float32 (from export/to_onnx.py).")]
Data = Annotated[
    str | None,
    typer.Option(
        help="What to measure on: a video, a folder of pictures, arrays (.npz), or shipped data by name (marionette).",
    ),
]
Exemplars = Annotated[
    list[Path] | None, typer.Option("--exemplar", help="Exemplar; several are taken in turn.")
]
Poses = Annotated[Path | None, typer.Option(help="Keypoints of the data.")]
ExemplarPoses = Annotated[
    list[Path] | None, typer.Option("--exemplar-poses", help="Keypoints, one file for each exemplar.")
]
Parts = Annotated[
    Path | None, typer.Option(help="Parts of faces in the data: .npz, or a folder of CelebAMask-HQ's masks.")
]
ExemplarParts = Annotated[
    list[Path] | None, typer.Option("--exemplar-parts", help="Parts, one file or folder for each exemplar.")
]
FitOption = Annotated[Fit, typer.Option(help="Pictures of another shape than the engine's.")]
Frames = Annotated[int, typer.Option(min=1, help="Frames to measure on, evenly spread.")]
KeepFloat = Annotated[
    list[str] | None,
    typer.Option("--keep-float", help="Layers that stay in float, by regular expression."),
]
