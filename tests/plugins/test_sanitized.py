"""The CPU kernels under AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from checkout import NATIVE

from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu as build

SANITIZE = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def compiler_with_sanitizers(folder: Path) -> list[str]:
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler to build the kernels with")
    empty = folder / "empty.cpp"
    empty.write_text("int main() {}\n")
    if subprocess.run(
        [*compiler, *SANITIZE, str(empty), "-o", str(folder / "empty")], capture_output=True, check=False
    ).returncode:
        pytest.skip("the C++ compiler has no sanitizers")
    return compiler


def test_random_layers_read_and_write_nothing_out_of_bounds(tmp_path: Path) -> None:
    compiler = compiler_with_sanitizers(tmp_path)
    build.compile_libraries({tmp_path / "libkernels.so": build.units(library.CPU)}, extra=SANITIZE)
    driver = NATIVE / "exercise_kernels.cpp"
    program = tmp_path / "exercise_kernels"
    includes = ["-I", str(library.FOLDER), "-I", str(library.FOLDER / "include")]
    subprocess.run(
        [
            *compiler,
            "-std=c++17",
            *SANITIZE,
            *includes,
            str(driver),
            str(tmp_path / "libkernels.so"),
            "-o",
            str(program),
        ],
        check=True,
    )
    done = subprocess.run(
        [str(program)], capture_output=True, text=True, check=False, env={"LD_LIBRARY_PATH": str(tmp_path)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "layers" in done.stdout


def test_threads_keep_memory_and_lend_each_piece_once(tmp_path: Path) -> None:
    """Without AddressSanitizer, under which nothing is kept."""
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler to build the kernels with")
    program = tmp_path / "exercise_memory"
    sources = [
        NATIVE / "exercise_memory.cpp",
        library.FOLDER / "cpu" / "memory" / "scratch.cpp",
    ]
    options = ["-std=c++17", "-O1", "-pthread", "-I", str(library.FOLDER)]
    subprocess.run([*compiler, *options, *map(str, sources), "-o", str(program)], check=True)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "kept\n"), done.stderr


def test_the_sources_compile_without_warnings(tmp_path: Path) -> None:
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler to build the kernels with")
    # GCC cannot follow its own intrinsics' undefined values, nor arrays that are filled as far as they are read.
    quiet = ["-Wno-psabi", "-Wno-maybe-uninitialized", "-Wno-uninitialized", "-Wno-unknown-warning-option"]
    for unit in build.units(library.CPU):
        platform = ["-DDYNAST_X86"] if build.is_x86() else []
        includes = ["-I", str(library.FOLDER / "include"), "-I", str(library.FOLDER)]
        done = subprocess.run(
            [
                *compiler,
                "-std=c++17",
                "-fsyntax-only",
                "-Wall",
                "-Wextra",
                "-Werror",
                *quiet,
                *platform,
                *includes,
                *unit.options,
                str(library.FOLDER / unit.source),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
