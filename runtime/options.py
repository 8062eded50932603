"""Choices that command lines offer, apart from what they lead to, so that `--help` imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum


class Device(StrEnum):
    """Where an engine runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


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
