"""Choices that command lines offer, apart from what they lead to, so that `--help` imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum


class Device(StrEnum):
    """Where an engine runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
