"""Compile the native libraries: `python -m dynast_deploy.plugins.build`.

Needs a C++17 compiler of the GCC or Clang family (`$CXX`, else c++, g++ or clang++) and nothing else. Installing the
package does the same where a compiler is found, and does without where there is none. Standard library only, since
setup.py calls it.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from dynast_deploy.plugins import library

from dynast_deploy.errors import DynastError

# -ffp-contract: fused multiply-add also where the standard's strict mode would not; -w: users cannot mend warnings,
# tests compile with them on.
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fvisibility=hidden", "-ffp-contract=fast", "-pthread")
_AVX2 = ("-mavx2", "-mfma", "-mf16c")
_AVX512 = (*_AVX2, "-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq")


def is_x86() -> bool:
    return platform.machine().lower() in {"x86_64", "amd64"}


def variants() -> dict[str, tuple[str, ...]]:
    """Instruction sets the kernels are compiled for, with the compiler's options for each."""
    return {"plain": (), "avx2": _AVX2, "avx512": _AVX512} if is_x86() else {"plain": ()}


def find_compiler() -> list[str] | None:
    """The C++ compiler as the beginning of a command, or None."""
    chosen = os.environ.get("CXX")
    if chosen:
        command = shlex.split(chosen)
        return command if shutil.which(command[0]) else None
    return next(([path] for name in ("c++", "g++", "clang++") if (path := shutil.which(name))), None)


def compile_library(name: str, target: Path, *, extra: tuple[str, ...] = ()) -> None:
    """Compile the library `name` and put it at `target` when it is whole.

    `extra` are further options for the compiler, such as those of a sanitizer. Raises DynastError with the
    compiler's words if it fails, or if there is none.
    """
    compiler = find_compiler()
    if compiler is None:
        chosen = os.environ.get("CXX")
        what = f"the compiler in CXX, {chosen}, was not found" if chosen else "no C++ compiler was found"
        raise DynastError(f"{what}: install g++ or clang++, or name one in the environment variable CXX")
    defines = [
        f'-DDYNAST_SOURCE="dynast-source:{library.source_id(name)}"',
        *(["-DDYNAST_X86"] if is_x86() else []),
    ]
    common = [
        *compiler,
        *FLAGS,
        "-w",
        *defines,
        "-I",
        str(library.FOLDER / "include"),
        "-I",
        str(library.FOLDER),
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as folder:
        objects, commands = [], []
        for source, options, stem in _units(name):
            objects.append(str(Path(folder) / f"{stem}.o"))
            commands.append(
                [*common, *options, *extra, "-c", str(library.FOLDER / source), "-o", objects[-1]]
            )
        with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
            list(pool.map(_run, commands))
        whole = Path(folder) / target.name
        # A Python of another origin (conda) brings a C++ library of its own, often an older one.
        static = ["-static-libstdc++", "-static-libgcc"] if sys.platform == "linux" and not extra else []
        _run([*compiler, "-shared", "-pthread", *static, *extra, *objects, "-o", str(whole)])
        os.replace(whole, target)


def _units(name: str) -> list[tuple[str, tuple[str, ...], str]]:
    """Source file, options and object name of every compilation that makes up a library."""
    kernels = [
        ("cpu/kernels.cpp", (f"-DDYNAST_VARIANT={variant}", *options), f"kernels_{variant}")
        for variant, options in variants().items()
    ]
    sources = ["cpu/select.cpp", "cpu/check.cpp", "cpu/library.cpp"]
    return kernels + [(source, (), Path(source).stem) for source in sources]


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise DynastError(f"the C++ compiler {command[0]} does not start: {error}") from None
    if done.returncode:
        raise DynastError(f"the C++ compiler failed.\n{shlex.join(command)}\n{done.stderr.strip()}")


def build_all(folder: Path | None) -> list[str]:
    """Build every library that can be built here, into `folder` or where each is looked for; say what was done.

    Raises DynastError if the CPU kernels cannot be compiled.
    """
    target = (folder or target_folder(library.CPU)) / library.file_name(library.CPU)
    compile_library(library.CPU, target)
    return [f"built {target}"]


def target_folder(name: str) -> Path:
    """The package's folder, or the user's cache where that cannot be written to."""
    return library.FOLDER if os.access(library.FOLDER, os.W_OK) else library.cache_folder(name)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog=library.BUILD_COMMAND, description="Compile the native attention kernels."
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="default: the package, else the user's cache"
    )
    options = parser.parse_args(arguments)
    try:
        print(*build_all(options.output), sep="\n")
    except DynastError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
