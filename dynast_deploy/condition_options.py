"""What conditions are drawn from and how pictures are placed: the choices, and the options that commands share.

Each field is spelled for the command line here and nowhere else; `commands.option_groups` makes options of the fields.
Imports nothing heavy, so that `--help` is fast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ChannelOrder(StrEnum):
    """Order of a pose estimator's colour channels."""

    RGB = "rgb"
    BGR = "bgr"


class Fit(StrEnum):
    """What happens to a picture whose shape is not the network's.

    PAD keeps proportions and fills up with the border's colours; STRETCH fills the network's picture, as the published
    training did.
    """

    PAD = "pad"
    STRETCH = "stretch"


class Crop(StrEnum):
    """Which part of a picture is rendered: all of it, or a steady box around the person."""

    NONE = "none"
    PERSON = "person"


@dataclass(frozen=True, kw_only=True)
class ConditionOptions:
    """Where keypoints or parts of faces come from, and how pictures of another shape are placed."""

    poses: Annotated[
        Path | None, typer.Option(help="Keypoints: OpenPose JSON (file or folder), JSONL or .npz.")
    ] = None
    pose_model: Annotated[
        Path | None,
        typer.Option(
            help="Pose estimator: .onnx (RTMPose, DWPose, ViTPose, YOLO pose) or MediaPipe's .task."
        ),
    ] = None
    pose_channels: Annotated[ChannelOrder, typer.Option(help="Its channel order.")] = ChannelOrder.RGB
    pose_score: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Keypoints that score less are not seen.",
            show_default="all of files, 0.3 of models, 0.5 of MediaPipe's",
        ),
    ] = None
    parts: Annotated[
        Path | None,
        typer.Option(help="Parts of a face: masks as .npz, or a folder of CelebAMask-HQ's (pictures)."),
    ] = None
    fit: Annotated[
        Fit, typer.Option(help="Pictures of another shape than the network's: keep proportions, or fill it.")
    ] = Fit.PAD


@dataclass(frozen=True, kw_only=True)
class CropOptions(ConditionOptions):
    """The same, and which part of a picture is rendered."""

    crop: Annotated[
        Crop, typer.Option(help="For poses: render a steady box around the person instead of everything.")
    ] = Crop.NONE


@dataclass(frozen=True, kw_only=True)
class RenderOptions(CropOptions):
    """The same, with what belongs to one exemplar and to a result."""

    exemplar_poses: Annotated[Path | None, typer.Option(help="Keypoints of the exemplar.")] = None
    exemplar_parts: Annotated[Path | None, typer.Option(help="Parts of the exemplar's face.")] = None
    save_poses: Annotated[Path | None, typer.Option(help="Write the keypoints that were used, as .npz.")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class ExemplarsOptions(ConditionOptions):
    """The same, with what belongs to several exemplars: one file for each, in their order."""

    exemplar_poses: Annotated[
        Sequence[Path], typer.Option(help="Keypoints, one file for each exemplar.")
    ] = ()
    exemplar_parts: Annotated[
        Sequence[Path], typer.Option(help="Parts, one file or folder for each exemplar.")
    ] = ()
