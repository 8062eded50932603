"""What an engine computes in, and how ranges of eight-bit numbers are measured."""

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


class Method(StrEnum):
    """How a tensor's range follows from the values seen.

    MSE takes the range of least squared error, ENTROPY that of least Kullback-Leibler divergence, PERCENTILE the one
    that holds 99.99 % of the values.
    """

    MSE = "mse"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"


class Format(StrEnum):
    """Numbers of eight bits."""

    INT8 = "int8"
    FP8 = "fp8"
    """E4M3: four bits of exponent, three of mantissa; for NVIDIA's Ada, Hopper and Blackwell."""

    @property
    def largest(self) -> float:
        """The largest number, before scaling. INT8 has -128 too, which symmetric ranges leave out."""
        return {Format.INT8: 127.0, Format.FP8: 448.0}[self]
