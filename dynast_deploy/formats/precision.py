"""What an engine computes in, and how ranges of eight-bit numbers are measured."""

from __future__ import annotations

from enum import StrEnum


class Precision(StrEnum):
    """What an engine computes in: the only list of precisions, with what is decided by them.

    The eight-bit ones are those of the layers that are quantized; the rest of such an engine computes in float16.

    Attributes:
        target_psnr: dB that pictures must have against the float32 file's to pass a verification. One byte a value,
            as plans give pictures, leaves 59 dB.
        storage: The type of the numbers of quantized layers, by NumPy's or ml_dtypes' name; "" where none are.
        largest: The largest of these numbers, before scaling.
        first_capability: The compute capability of GPUs with which it begins.
    """

    target_psnr: float
    storage: str
    largest: float
    first_capability: tuple[int, int]

    def __new__(
        cls,
        value: str,
        target_psnr: float = 45.0,
        storage: str = "",
        largest: float = 0.0,
        first_capability: tuple[int, int] = (0, 0),
    ) -> Precision:
        """A member out of its line below."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.target_psnr, member.storage, member.largest = target_psnr, storage, largest
        member.first_capability = first_capability
        return member

    FP32 = "fp32"
    FP16 = "fp16"
    INT8 = "int8", 35.0, "int8", 127.0
    """-128 is left out, since ranges are symmetric."""
    FP8 = "fp8", 35.0, "float8_e4m3fn", 448.0, (8, 9)
    """E4M3: four bits of exponent, three of mantissa; for NVIDIA's Ada, Hopper and Blackwell."""

    @property
    def is_eight_bits(self) -> bool:
        """Whether layers are quantized to eight bits."""
        return bool(self.storage)


EIGHT_BITS = tuple(each for each in Precision if each.is_eight_bits)
"""What layers can be quantized to, and calibrations be made for."""


class Method(StrEnum):
    """How a tensor's range follows from the values seen.

    MSE takes the range of least squared error, ENTROPY that of least Kullback-Leibler divergence, PERCENTILE the one
    that holds 99.99 % of the values.
    """

    MSE = "mse"
    ENTROPY = "entropy"
    PERCENTILE = "percentile"
