"""Options on how poses are estimated and read, of every command that reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dynast_deploy.runtime.options import ChannelOrder

PoseModel = Annotated[
    Path | None,
    typer.Option(help="Pose estimator: .onnx (RTMPose, DWPose, ViTPose, YOLO pose) or MediaPipe's .task."),
]
PoseChannels = Annotated[ChannelOrder, typer.Option(help="Its channel order.")]
PoseScore = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=1,
        help="Keypoints that score less are not seen.",
        show_default="all of files, 0.3 of models, 0.5 of MediaPipe's",
    ),
]
