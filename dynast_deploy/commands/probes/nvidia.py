"""Probes of the NVIDIA driver and of the libraries that run plans on it."""

from __future__ import annotations

import ctypes
import os

from dynast_deploy.commands.probes.finding import Finding, imported
from dynast_deploy.commands.show import megabytes


def tensorrt() -> Finding:
    """TensorRT: its version, and whether it starts."""
    return _plan_library("tensorrt", "trt", "10.9")


def tensorrt_rtx() -> Finding:
    """TensorRT-RTX: its version, and whether it starts."""
    return _plan_library("tensorrt_rtx", "rtx", "1.7")


def _plan_library(name: str, extra: str, oldest: str) -> Finding:
    """A library that runs plans: its version, and whether it starts. Its own fault may end this process."""
    module = imported(name, extra)
    if isinstance(module, Finding):
        return module
    version = module.__version__
    if [int(part) for part in version.split(".")[:2]] < [int(part) for part in oldest.split(".")]:
        return Finding(False, f"{version} is older than {oldest}", f"pip install -U '{name}>={oldest}'")
    driver = nvidia_driver()
    if not driver.works:
        builds = "; builds plans all the same" if name == "tensorrt_rtx" else ""
        return Finding(
            bool(builds), f"{version} is installed, the driver: {driver.detail}{builds}", driver.fix
        )
    try:
        module.Runtime(module.Logger())
    except TypeError:  # what the bindings make of a null pointer
        needs = f"update the driver, or install a {name} that was made for its CUDA"
        return Finding(False, f"{version} does not start with this driver, {driver.detail}", needs)
    return Finding(True, f"{version}, {driver.detail}")


def pycuda() -> Finding:
    """pycuda as plans need it: a context, memory and a stream on the first GPU.

    Raises:
        DynastError: Where the GPU cannot be opened.
    """
    driver = imported("pycuda.driver", "trt")
    if isinstance(driver, Finding):
        return driver
    nvidia = nvidia_driver()
    if not nvidia.works:
        return Finding(False, f"installed, the driver: {nvidia.detail}", nvidia.fix)
    from dynast_deploy.runtime.cuda.device import close_gpus, open_gpu

    gpu = open_gpu()
    free, total = gpu.memory()
    close_gpus()
    built = ".".join(map(str, driver.get_version()))
    return Finding(
        True,
        f"built for CUDA {built}, {gpu.name}, compute capability {gpu.compute_capability}, "
        f"{megabytes(free):.0f} of {megabytes(total):.0f} MB free",
    )


def cuda_graphs() -> Finding:
    """`cuda.bindings`, without which plans run, somewhat slower.

    Raises:
        DynastError: Where the GPU cannot be opened.
    """
    bindings = imported("cuda.bindings.driver", "trt")
    if isinstance(bindings, Finding):
        return Finding(False, f"{bindings.detail}; plans run without CUDA graphs", bindings.fix)
    driver = nvidia_driver()
    if not driver.works:
        return Finding(False, f"installed, the driver: {driver.detail}", driver.fix)
    from dynast_deploy.runtime.cuda.device import DeviceResources, close_gpus, open_gpu

    resources = DeviceResources(open_gpu())
    with resources.close_on_error():
        resources.keep(resources.stream().capture(lambda: None).free)
    close_gpus()
    return Finding(True, "a graph was captured on a stream of pycuda")


def nvidia_driver() -> Finding:
    """The driver and its first GPU, asked through the driver's own library."""
    fix = "on a machine with an NVIDIA GPU, install its driver"
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError as error:
        return Finding(False, f"not installed ({error})", fix)
    if status := cuda.cuInit(0):
        return Finding(False, f"installed, but does not start (error {status} of cuInit)", fix)
    number, count, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    cuda.cuDriverGetVersion(ctypes.byref(number))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return Finding(False, "installed, but finds no GPU", fix)
    cuda.cuDeviceGetName(name, len(name), 0)
    return Finding(
        True,
        f"CUDA {number.value // 1000}.{number.value % 1000 // 10}, {count.value} GPUs, the first {name.value.decode()}",
    )
