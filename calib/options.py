"""Choices of `dynast calibrate` and `dynast sensitivity`, apart from what they lead to."""

from __future__ import annotations

from enum import StrEnum


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
