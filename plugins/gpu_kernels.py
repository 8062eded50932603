"""The GPU kernels (`cuda/attention.cu`): their names, how they are launched, and how they are compiled to PTX.

PTX is compiled by NVRTC (the package `cuda-bindings` and NVIDIA's NVRTC library) or by nvcc, whichever is there. It
is made for the oldest GPUs that are supported unless another architecture is asked for; the driver translates it.
Compilers label it with their own version of the language, which drivers of an older CUDA refuse although the kernels
use nothing new; so it gets the label of the oldest version that has all they use.
"""

from __future__ import annotations

import functools
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins.bindings import library

BLOCK_THREADS = 128
TEAMS = (8, 16, 32)  # threads that may share a query
OLDEST = "compute_75"
PTX_VERSION = "7.0"
"""Of the PTX for `OLDEST`: that of CUDA 11.0, which every driver that TensorRT 10.9 runs on takes."""
_SLOTS = 3  # candidates that one thread of a team keeps


def kernel_name(scale: str, kind: str, team: int) -> str:
    """Entry point for `scale` "inter" or "inner" and storage `kind` "float", "half" or "bfloat"."""
    return f"dynast_{scale}_{kind}_{team}"


def smallest_team(candidates: int) -> int:
    """The fewest threads of `TEAMS` that can keep so many candidates of a query (at most 80)."""
    return next(team for team in TEAMS if _SLOTS * team >= candidates)


def block_count(frames: int, query_height: int, query_width: int, team: int) -> int:
    """Blocks to launch: teams come in 2x2 windows, and windows at an odd border are launched whole."""
    teams = frames * -(-query_height // 2) * -(-query_width // 2) * 4
    return -(-teams * team // BLOCK_THREADS)


def float_bits(number: float) -> int:
    """The bits of a float32 as a signed integer: TensorRT passes kernels nothing but integers and pointers."""
    bits: int = struct.unpack("i", struct.pack("f", number))[0]
    return bits


@functools.cache
def compile_ptx(kernel: str = "", architecture: str = OLDEST) -> bytes:
    """PTX of one kernel, or of all, by NVRTC or else by nvcc.

    Raises:
        DynastError: Where neither compiler is installed, or with the words of one that fails.
    """
    ptx = compile_with_nvrtc(kernel, architecture)
    if ptx is None:
        ptx = compile_with_nvcc(kernel, architecture)
    return relabelled(ptx) if architecture == OLDEST else ptx


def relabelled(ptx: bytes) -> bytes:
    """The same PTX as one of `PTX_VERSION`. An assembler still refuses what that version does not have."""
    return re.sub(rb"^\.version .*$", f".version {PTX_VERSION}".encode(), ptx, count=1, flags=re.MULTILINE)


def compile_with_nvrtc(kernel: str, architecture: str) -> bytes | None:
    """PTX of one kernel, or of all, or None if NVRTC is not installed.

    Raises:
        DynastError: With NVRTC's words if it fails.
    """
    try:
        from cuda.bindings import nvrtc

        status, program = nvrtc.nvrtcCreateProgram(
            b'#include "cuda/attention.cu"', b"attention.cu", 0, [], []
        )
    except (ImportError, RuntimeError):  # the latter where the binding is there but not the library
        return None
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        raise DynastError(f"NVRTC does not start: {status.name}")
    options = [option.encode() for option in _options(kernel, architecture)]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
        nvrtc.nvrtcGetProgramLog(program, log)
        raise DynastError(
            f"NVRTC could not compile the attention kernels for {architecture}:\n{log.decode()}"
        )
    ptx: bytes = b" " * nvrtc.nvrtcGetPTXSize(program)[1]
    nvrtc.nvrtcGetPTX(program, ptx)
    nvrtc.nvrtcDestroyProgram(program)
    return ptx.rstrip(b"\0")


def compile_with_nvcc(kernel: str, architecture: str) -> bytes:
    """PTX of one kernel, or of all.

    Raises:
        DynastError: Where nvcc is not installed, or with its words if it fails.
    """
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise DynastError(
            "no compiler for the GPU kernels: pip install cuda-bindings nvidia-cuda-nvrtc, or install nvcc"
        )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "attention.ptx"
        source = library.FOLDER / "cuda" / "attention.cu"
        command = [nvcc, "-ptx", *_options(kernel, architecture), str(source), "-o", str(target)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DynastError(
                f"nvcc could not compile the attention kernels for {architecture}:\n{done.stderr}"
            )
        return target.read_bytes()


def _options(kernel: str, architecture: str) -> list[str]:
    """Options that NVRTC and nvcc share. An empty `kernel` stands for all."""
    chosen = []
    if kernel:
        _, scale, kind, team = kernel.split("_")
        cpp_type = {"float": "float", "half": "dynast::Half", "bfloat": "dynast::Bfloat"}[kind]
        words = {"SCALE": scale, "INNER": int(scale == "inner"), "NAME": kind, "TYPE": cpp_type, "TEAM": team}
        chosen = [
            f"-DDYNAST_ONLY_{name}={word}" for name, word in words.items()
        ]  # nvcc splits words at commas
    folders = (library.FOLDER / "include", library.FOLDER)
    return ["-std=c++17", f"-arch={architecture}", *chosen, *(f"-I{folder}" for folder in folders)]
