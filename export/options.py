"""Choices that command lines offer, apart from what they lead to, so that `--help` imports nothing heavy."""

from __future__ import annotations

from enum import StrEnum

FP8_FROM = (8, 9)
"""The first compute capability with eight-bit floats: Ada."""


class Precision(StrEnum):
    """What an engine computes in. The eight-bit ones compute in float16 where they do not compute in eight bits."""

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8"
    FP8 = "fp8"

    @property
    def is_eight_bits(self) -> bool:
        return self in (Precision.INT8, Precision.FP8)
