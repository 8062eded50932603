"""The GPU kernels and their launches compiled for the CPU, thread by thread (`native/warp_emulation.h`)."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from pathlib import Path

import pytest
from checkout import NATIVE

from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu as build


@functools.cache
def emulator() -> ctypes.CDLL:
    """The library, with the C interface of `cuda/c_api.cpp` on memory of the CPU; skips where no compiler is."""
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler to build the emulation with")
    includes = [f"-I{folder}" for folder in (library.FOLDER, library.FOLDER / "include", NATIVE)]
    options = [
        "-std=c++17",
        "-O2",
        "-w",
        "-fPIC",
        "-shared",
        "-U_FORTIFY_SOURCE",
        '-DDYNAST_SOURCE="emulation"',
    ]
    source = str(NATIVE / "emulate_gpu.cpp")
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder) / "emulation.so")
        subprocess.run([*compiler, *options, *includes, source, "-o", target], check=True)
        return ctypes.CDLL(target)
