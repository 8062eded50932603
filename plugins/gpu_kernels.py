"""The GPU kernels (`cuda/attention.cu`): their names, how they are launched, and how they are compiled to PTX.

PTX is compiled by NVRTC (the package `cuda-bindings` and NVIDIA's NVRTC library) or by nvcc, whichever is there. It
is made for the oldest GPUs that are supported unless another architecture is asked for; the driver translates it.
"""

from __future__ import annotations

import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins import library

BLOCK_THREADS = 128
TEAMS = (8, 16, 32)  # threads that may share a query
OLDEST = "compute_75"
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


def compile_with_nvcc(architecture: str) -> bytes:
    """PTX of all kernels, such as for `compute_75`. Raises DynastError if nvcc is missing or fails."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        raise DynastError(
            "nvcc was not found: install the CUDA toolkit's compiler, or the package cuda-bindings"
        )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "attention.ptx"
        source = library.FOLDER / "cuda" / "attention.cu"
        includes = ["-I", str(library.FOLDER / "include"), "-I", str(library.FOLDER)]
        command = [
            nvcc,
            "-std=c++17",
            "-ptx",
            f"-arch={architecture}",
            *includes,
            str(source),
            "-o",
            str(target),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise DynastError(
                f"nvcc could not compile the attention kernels for {architecture}:\n{done.stderr}"
            )
        return target.read_bytes()
