"""NVIDIA's driver, asked through its own library: works where nothing but the driver is installed."""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

_CAPABILITY_MAJOR, _CAPABILITY_MINOR = 75, 76
"""CUdevice_attribute."""


@dataclass(frozen=True)
class GpuDevice:
    """A GPU: its name, and its compute capability, such as "8.9"."""

    name: str
    compute_capability: str


def driver_answers() -> bool:
    """Whether an NVIDIA driver is loaded and finds a GPU that this process may use."""
    return _started() is not None


def first_device() -> GpuDevice | None:
    """The GPU that CUDA takes unless told otherwise (CUDA_VISIBLE_DEVICES is heeded), or None."""
    driver = _started()
    number = ctypes.c_int()
    if driver is None or driver.cuDeviceGet(ctypes.byref(number), 0):
        return None
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), number)
    capability = []
    for attribute in (_CAPABILITY_MAJOR, _CAPABILITY_MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, number)
        capability.append(str(value.value))
    return GpuDevice(name.value.decode(errors="replace"), ".".join(capability))


def _started() -> ctypes.CDLL | None:
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        return driver if driver.cuInit(0) == 0 else None
    except (OSError, AttributeError):
        return None
