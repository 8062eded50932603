"""The C interface of the training layers (`cpu/c_api/training_layers.cpp`) in Python. Results are written in place."""

from __future__ import annotations

import ctypes

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library

_int, _long, _address = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p


def _addresses(*names: str) -> tuple[tuple[str, type], ...]:
    return tuple((name, _address) for name in names)


class Convolution(ctypes.Structure):
    """A 3x3 convolution's sizes, `DynastConvolution` of `cpu/convolution/calls.h`.

    The structures of the other layers are those of `cpu/layers/training_calls.h`.
    """

    _fields_ = tuple(
        (name, _int) for name in ("batch", "height", "width", "channels_in", "channels_out", "stride")
    )


class ConvolutionForward(ctypes.Structure):
    """Addresses of map, weight, bias and result; the slope of the leaky ReLU."""

    _fields_ = (*_addresses("input", "kernel", "bias", "output"), ("slope", ctypes.c_float))


class ConvolutionBackward(ctypes.Structure):
    """Addresses of map and weight, and of the gradients in and out; the result where the slope is not 1."""

    _fields_ = (
        *_addresses("input", "kernel", "grad_output", "grad_input", "grad_kernel", "grad_bias"),
        ("slope", ctypes.c_float),
        *_addresses("output"),
    )


class Modulation(ctypes.Structure):
    """Positions (`length`) and channels of a modulation."""

    _fields_ = (("length", _long), ("channels", _int))


class ModulationForward(ctypes.Structure):
    """Addresses for `modulated`, and with attended values and confidence for `fused`; None where there is none."""

    _fields_ = _addresses("input", "modulation", "slope", "attended", "confidence", "output")


class ModulationBackward(ctypes.Structure):
    """Addresses of a modulation's inputs, and of the gradients in and out."""

    _fields_ = _addresses(
        "input",
        "modulation",
        "slope",
        "attended",
        "confidence",
        "grad_output",
        "grad_input",
        "grad_modulation",
        "grad_slope",
        "grad_attended",
        "grad_confidence",
    )


class UnitTokens(ctypes.Structure):
    """Positions of a map (`length`), maps, channels of the features and of the position code."""

    _fields_ = (("length", _long), *((name, _int) for name in ("batch", "channels", "pos_channels")))


class UnitTokensForward(ctypes.Structure):
    """Addresses of features, position code and tokens."""

    _fields_ = _addresses("input", "pos", "output")


class UnitTokensBackward(ctypes.Structure):
    """Addresses of the features, and of the gradients in and out."""

    _fields_ = _addresses("input", "grad_output", "grad_input", "grad_pos")


class Projections(ctypes.Structure):
    """Tokens (`length`), their channels, and the channels of both projections; 0 for a second one that there is not."""

    _fields_ = (("length", _long), *((name, _int) for name in ("channels_in", "channels_a", "channels_b")))


class ProjectionsForward(ctypes.Structure):
    """Addresses of tokens, weights, biases and results; None for what is not wanted."""

    _fields_ = _addresses("input", "kernel_a", "kernel_b", "bias_a", "bias_b", "output_a", "output_b")


class ProjectionsBackward(ctypes.Structure):
    """Addresses of tokens and weights, and of the gradients in and out."""

    _fields_ = _addresses(
        "input",
        "kernel_a",
        "kernel_b",
        "grad_output_a",
        "grad_output_b",
        "grad_input",
        "grad_kernel_a",
        "grad_kernel_b",
        "grad_bias_a",
        "grad_bias_b",
    )


class Norm(ctypes.Structure):
    """Pixels of each part that is normalised (`length`), parts, channels, and the norm's numbers."""

    _fields_ = (
        ("length", _long),
        ("parts", _int),
        ("channels", _int),
        ("epsilon", ctypes.c_float),
        ("momentum", ctypes.c_float),
    )


class NormForward(ctypes.Structure):
    """Addresses of input, parameters, statistics and result; None where there is none."""

    _fields_ = _addresses(
        "input",
        "residual",
        "weight",
        "bias",
        "slope",
        "running_mean",
        "running_variance",
        "output",
        "mean",
        "scale",
    )


class NormBackward(ctypes.Structure):
    """Addresses of what the forward pass had, and of the gradients in and out."""

    _fields_ = _addresses(
        "input",
        "residual",
        "weight",
        "bias",
        "slope",
        "mean",
        "scale",
        "grad_output",
        "grad_input",
        "grad_residual",
        "grad_weight",
        "grad_bias",
        "grad_slope",
    )


class Activation(ctypes.Structure):
    """Numbers of a map, and addresses of PReLU's summands, slope and result, or of its gradients."""

    _fields_ = (
        ("count", _long),
        *_addresses("a", "b", "slope", "grad_output", "output", "grad_sum", "grad_slope"),
    )


class SpectralNorm(ctypes.Structure):
    """Rows and columns of the weight as a matrix."""

    _fields_ = (("rows", _long), ("columns", _long), ("epsilon", ctypes.c_float))


class SpectralNormForward(ctypes.Structure):
    """Addresses of weight, both vectors, the divided weight, and its norm."""

    _fields_ = _addresses("weight", "u", "v", "output", "sigma")


class SpectralNormBackward(ctypes.Structure):
    """Addresses of what the forward pass gave, and of the gradients in and out."""

    _fields_ = _addresses("output", "u", "v", "sigma", "grad_output", "grad_weight")


class Upsampling(ctypes.Structure):
    """Sizes of the smaller map, and addresses of source and target."""

    _fields_ = (
        *((name, _int) for name in ("batch", "height", "width", "channels")),
        *_addresses("input", "output"),
    )


def run(name: str, *structures: ctypes.Structure, threads: int, variant: str = "") -> None:
    """Call the function `name` of the library with addresses of `structures`.

    Raises:
        DynastError: With the kernels' message where they refuse the sizes, and where they are not built.
    """
    loaded = library.load_cpu()
    if loaded is None:
        raise DynastError(f"the native kernels are not built; build them with: {library.BUILD_COMMAND}")
    message = ctypes.create_string_buffer(256)
    references = [ctypes.byref(structure) for structure in structures]
    if getattr(loaded, name)(*references, variant.encode(), threads, message, len(message)):
        raise DynastError(message.value.decode())
