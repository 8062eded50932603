"""Compile the libraries that need nvcc: the GPU kernels for PyTorch, and the ONNX Runtime operators for CUDA.

Done on request only, `python -m dynast_deploy.plugins.build --cuda` or DYNAST_CUDA=1 while installing, since it takes
minutes and is of use only where a GPU is. nvcc is the one in `$NVCC`, on the PATH, or in CUDA's usual folder.
Standard library only.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.files.scratch_folder import temporary_folder
from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu as build

CAPABILITIES = ("75", "80", "86", "89", "90", "100", "120")
"""Compute capabilities that machine code is made for where no GPU is there to be asked."""
_FLAGS = ("-std=c++17", "-O3", "--threads=0", "-w", "-Xcompiler=-fPIC,-fvisibility=hidden,-w")


def find_nvcc() -> str | None:
    """nvcc's path, or None."""
    chosen = os.environ.get("NVCC")
    if chosen:
        return shutil.which(chosen)
    home = os.environ.get("CUDA_HOME", "/usr/local/cuda")
    return shutil.which("nvcc") or shutil.which(str(Path(home) / "bin" / "nvcc"))


def present_capabilities() -> list[str]:
    """Compute capabilities of this machine's GPUs, such as "90"; empty where there is none to ask."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"],
            capture_output=True, text=True, check=True, timeout=30,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return []
    return sorted(
        {line.strip().replace(".", "") for line in done.stdout.splitlines() if line.strip()}, key=int
    )


def known_capabilities(nvcc: str) -> set[str]:
    """Capabilities that this nvcc compiles for."""
    done = subprocess.run([nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=False)
    return set(re.findall(r"compute_(\d+)\b", done.stdout))


def code_options(capabilities: Sequence[str], known: set[str]) -> list[str]:
    """nvcc's options: machine code for each capability that it knows, and PTX of the newest of them for later GPUs.

    A GPU newer than the compiler gets PTX of the newest that it knows.

    Raises:
        DynastError: Where none is left.
    """
    newest = max(known, key=int, default="")
    chosen = sorted(
        {c if c in known else newest for c in capabilities if c in known or int(c) > int(newest or 0)},
        key=int,
    )
    if not chosen or not newest:
        raise DynastError(
            f"this nvcc compiles for none of the compute capabilities {', '.join(capabilities)}"
        )
    codes = [f"-gencode=arch=compute_{c},code=sm_{c}" for c in chosen]
    return [*codes, f"-gencode=arch=compute_{chosen[-1]},code=compute_{chosen[-1]}"]


def link_options(nvcc: str) -> tuple[str, ...]:
    """The linker's options for the static CUDA runtime of this nvcc's toolkit.

    The library's own runtime stays hidden: PyTorch and ONNX Runtime bring theirs, and symbols would be mixed up.

    Raises:
        DynastError: Where the toolkit has no static runtime.
    """
    told = subprocess.run(
        [nvcc, "-dryrun", "-c", "-x", "cu", os.devnull], capture_output=True, text=True, check=False
    )
    top = re.search(r"^#\$ TOP=(.*)$", told.stderr, re.MULTILINE)
    folders = (
        [
            Path(top[1]) / name
            for name in ("lib64", "lib", "lib/x64", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib")
        ]
        if top
        else []
    )
    found = next((folder for folder in folders if (folder / "libcudart_static.a").is_file()), None)
    if found is None:
        raise DynastError(
            f"the CUDA toolkit of {nvcc} has no libcudart_static.a: install its package cuda-cudart-dev"
        )
    return (f"-L{found}", "-lcudart_static", "-ldl", "-lrt", "-Wl,--exclude-libs,ALL", "-Wl,-Bsymbolic")


def build_gpu(
    folder: Path | None, capabilities: Sequence[str] = (), options: Sequence[str] = ()
) -> list[str]:
    """Build into `folder`, or where each library is looked for; a line for each library.

    capabilities: such as "86"; none stands for those of the GPUs here, or for all of CAPABILITIES where there is none.
    `options` are for nvcc, instead of machine code for the capabilities. Where ONNX Runtime's headers are not to be
    had, a line says that its operators are left out.

    Raises:
        DynastError: Where nvcc is not installed, or with its words if it fails.
    """
    nvcc = find_nvcc()
    if nvcc is None:
        raise DynastError(
            "no nvcc was found: install the CUDA toolkit, or name its nvcc in the environment variable NVCC"
        )
    codes = options or code_options(
        capabilities or present_capabilities() or CAPABILITIES, known_capabilities(nvcc)
    )
    targets, lines = {}, []
    for name in (library.GPU, library.ONNXRUNTIME_GPU):
        target = (folder or build.target_folder(name)) / library.file_name(name)
        try:
            targets[target] = build.units(name)
            lines.append(f"built {target}")
        except DynastError as error:
            lines.append(f"left out the ONNX Runtime operators for CUDA: {error}")
    with temporary_folder("dynast-build") as work:
        kernels = str(work / "launch.o")
        includes = ["-I", str(library.FOLDER / "include"), "-I", str(library.FOLDER)]
        source = str(library.FOLDER / "cuda" / "launch.cu")
        build.run([nvcc, *_FLAGS, *includes, *codes, "-c", source, "-o", kernels])
        build.compile_libraries(targets, linked=(kernels, *link_options(nvcc)))
    return lines
