"""Compile the native libraries for the CPU, which `python -m dynast_deploy.plugins.build` does.

Needs a C++17 compiler of the GCC or Clang family (`$CXX`, else c++, g++ or clang++), and for the ONNX Runtime operators
that library's C headers (`onnxruntime_headers.py` says where they come from). A cross compiler makes libraries for its
own target, into the folder that `--output` names. Installing the package does the same where a compiler is found, and
does without where there is none. Standard library only, since setup.py calls it.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.files.scratch_folder import scratch_folder, temporary_folder
from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.bindings.whole_library import seal_file
from dynast_deploy.plugins.native_build import onnxruntime_headers

# -ffp-contract: fused multiply-add also where the standard's strict mode would not; -w: users cannot fix warnings,
# tests compile with them on.
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-pthread")
_AVX2 = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq")


@dataclass(frozen=True)
class Target:
    """What a compiler makes code for; with a cross compiler that is not the machine it runs on.

    is_x86: 64-bit x86, whose instruction sets are chosen from when the library is loaded.
    system: as `sys.platform` spells it, "linux", "darwin" or "win32".
    """

    is_x86: bool
    system: str


@functools.cache
def target_of(compiler: tuple[str, ...]) -> Target:
    """What `compiler`, the beginning of a command, makes code for, told by the macros that it predefines.

    Raises:
        DynastError: With the compiler's words if it does not preprocess an empty file.
    """
    shown = run([*compiler, "-dM", "-E", "-x", "c++", os.devnull])
    macros = set(re.findall(r"^#define (\w+)", shown, re.MULTILINE))
    systems = {"__APPLE__": "darwin", "_WIN32": "win32"}
    system = next((name for macro, name in systems.items() if macro in macros), "linux")
    return Target("__x86_64__" in macros, system)


THIS_MACHINE = Target(platform.machine().lower() in {"x86_64", "amd64"}, sys.platform)


def is_x86() -> bool:
    """Whether the compiler that is used makes code for 64-bit x86; false where there is no compiler.

    Raises:
        DynastError: With the compiler's words if it does not preprocess an empty file.
    """
    compiler = find_compiler()
    return compiler is not None and target_of(tuple(compiler)).is_x86


def variants() -> dict[str, tuple[str, ...]]:
    """Instruction sets the kernels are compiled for, with the compiler's options for each.

    Raises:
        DynastError: With the compiler's words if it does not preprocess an empty file.
    """
    return {"plain": (), "avx2": _AVX2, "avx512": _AVX512} if is_x86() else {"plain": ()}


def find_compiler() -> list[str] | None:
    """The C++ compiler as the beginning of a command, or None."""
    chosen = os.environ.get("CXX")
    if chosen:
        command = shlex.split(chosen)
        return command if shutil.which(command[0]) else None
    return next(([path] for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)


def required_compiler() -> list[str]:
    """The C++ compiler as the beginning of a command.

    Raises:
        DynastError: Where there is none.
    """
    compiler = find_compiler()
    if compiler is None:
        chosen = os.environ.get("CXX")
        what = f"the compiler in CXX, {chosen}, was not found" if chosen else "no C++ compiler was found"
        raise DynastError(f"{what}: install g++ or clang++, or name one in the environment variable CXX")
    return compiler


@dataclass(frozen=True)
class Unit:
    """One compilation: a source file with options of its own. Libraries may share it."""

    source: str
    options: tuple[str, ...] = ()


def units(name: str) -> list[Unit]:
    """Every compilation that makes up a library, but for nvcc's.

    Raises:
        DynastError: Where ONNX Runtime's headers are needed and not to be had.
    """
    kernels = [
        *_of_each_variant("cpu/attention/kernels.cpp"),
        *_of_each_variant("cpu/layers/frame_kernels.cpp"),
        Unit("cpu/dispatch/select.cpp"),
        Unit("cpu/attention/select.cpp"),
        Unit("cpu/layers/select_frame.cpp"),
        Unit("cpu/memory/scratch.cpp"),
    ]
    source = f'-DDYNAST_SOURCE="dynast-source:{library.source_id(name)}"'
    if name == library.CPU:
        entries = (
            "cpu/layers/select_training.cpp",
            "cpu/c_api/training_layers.cpp",
            "cpu/c_api/frame_layers.cpp",
        )
        layers = [*_of_each_variant("cpu/layers/training_kernels.cpp"), *map(Unit, entries)]
        return [*kernels, *layers, Unit("cpu/c_api/attention.cpp", (source,))]
    if name == library.GPU:
        return [Unit("cuda/c_api.cpp", (source,))]
    headers = onnxruntime_headers.find_headers(library.cache_folder())
    cuda = ("-DDYNAST_CUDA",) if name == library.ONNXRUNTIME_GPU else ()
    return [*kernels, Unit("ort/operators.cpp", (source, *cuda, "-isystem", str(headers)))]


def _of_each_variant(source: str) -> list[Unit]:
    return [
        Unit(source, (f"-DDYNAST_VARIANT={variant}", *options)) for variant, options in variants().items()
    ]


def compile_libraries(
    targets: dict[Path, list[Unit]], *, extra: tuple[str, ...] = (), linked: tuple[str, ...] = ()
) -> None:
    """Compile each target's units, once if several share them, and put the library there when it is whole.

    `extra` are further options for compiler and linker, such as those of a sanitizer, and `linked` what every library
    is linked with besides.

    Raises:
        DynastError: Where there is no compiler, or with its words if it fails.
    """
    compiler = required_compiler()
    common = [*compiler, *FLAGS, "-w", *(["-DDYNAST_X86"] if is_x86() else []), *extra]
    includes = ["-I", str(library.FOLDER / "include"), "-I", str(library.FOLDER)]
    # A Python of another origin (conda) brings a C++ library of its own, often an older one.
    on_linux = target_of(tuple(compiler)).system == "linux"
    static = ["-static-libstdc++", "-static-libgcc"] if on_linux and not extra else []
    with temporary_folder("dynast-build") as folder:
        distinct = dict.fromkeys(unit for members in targets.values() for unit in members)
        objects = {unit: str(Path(folder) / f"{i}.o") for i, unit in enumerate(distinct)}
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            commands = [
                [*common, *includes, *unit.options, "-c", str(library.FOLDER / unit.source), "-o", path]
                for unit, path in objects.items()
            ]
            list(pool.map(run, commands))
        for target, members in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            # A linker makes the file anew, so what is renamed lies in a folder of this process.
            with scratch_folder(target.parent, target.name) as unfinished:
                parts = [*(objects[unit] for unit in members), *linked]
                library_file = unfinished / target.name
                run([*compiler, "-shared", "-pthread", *static, *extra, *parts, "-o", str(library_file)])
                if target_of(tuple(compiler)).system != "darwin":
                    seal_file(library_file)
                os.replace(library_file, target)


def run(command: list[str]) -> str:
    """Run a compiler and return what it printed.

    Raises:
        DynastError: With the compiler's words if it fails, and where it does not start.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DynastError(f"the C++ compiler {command[0]} does not start: {error}") from None
    if done.returncode:
        raise DynastError(f"the C++ compiler failed.\n{shlex.join(command)}\n{done.stderr.strip()}")
    return done.stdout


def build_all(folder: Path | None) -> list[str]:
    """Build every library that can be built here, into `folder` or where each is looked for; a line for each.

    Where ONNX Runtime's headers are not to be had, a line says that its operators are left out.

    Raises:
        DynastError: Where the CPU kernels cannot be compiled, and where a cross compiler is used without `folder`.
    """
    made_for = target_of(tuple(required_compiler()))
    if folder is None and made_for != THIS_MACHINE:
        raise DynastError(
            "the C++ compiler makes code for another machine than this one; name a folder for its libraries: --output"
        )
    targets, lines = {}, []
    for name in (library.CPU, library.ONNXRUNTIME):
        target = (folder or target_folder(name)) / library.file_name(name, made_for.system)
        try:
            targets[target] = units(name)
            lines.append(f"built {target}")
        except DynastError as error:
            lines.append(f"left out the ONNX Runtime operators: {error}")
    compile_libraries(targets)
    return lines


def target_folder(name: str) -> Path:
    """The package's folder, or the user's cache where that cannot be written to."""
    return library.FOLDER if os.access(library.FOLDER, os.W_OK) else library.built_folder(name)
