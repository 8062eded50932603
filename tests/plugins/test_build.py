"""Building and finding the native libraries, with and without a compiler."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins import build as program
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.plugins.bindings import library, native
from dynast_deploy.plugins.bindings.whole_library import is_whole, seal
from dynast_deploy.plugins.native_build import cpu as build
from dynast_deploy.plugins.native_build import onnxruntime_headers


@pytest.fixture
def empty_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A package folder with sources and no library, an empty cache and no installed copy."""
    package = tmp_path / "package"
    package.mkdir()
    for part in ("include", "cpu", "ort"):
        (package / part).symlink_to(library.FOLDER / part)
    monkeypatch.setattr(library, "FOLDER", package)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    library.load_cpu.cache_clear()
    return package


@pytest.fixture(autouse=True)
def _forget_loaded_library() -> object:
    yield
    library.load_cpu.cache_clear()


def library_of(source_id: str) -> bytes:
    """A sealed file whose header says, as an ELF file's does, that its table of sections is at its end."""
    marked = b"dynast-source:" + source_id.encode() + b"\0"
    return seal(struct.pack("<6s34xQ16x", b"\x7fELF\x02\x01", 64 + len(marked)) + marked)


@pytest.mark.parametrize(
    ("compiler", "words"),
    [("no-such-compiler", "no-such-compiler, was not found"), ("false", "compiler failed")],
)
def test_a_missing_or_broken_compiler_is_one_clear_line(
    compiler: str,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("CXX", compiler)
    monkeypatch.setenv(onnxruntime_headers.VARIABLE, str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        program.main(["--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_library_the_operators_say_how_to_build_it(empty_machine: Path) -> None:
    assert not native.available()
    assert onnxruntime_library() is None
    with pytest.raises(DynastError, match="python -m dynast_deploy.plugins.build"):
        native.variant()


@pytest.mark.parametrize("name", [library.CPU, library.ONNXRUNTIME, library.GPU, library.ONNXRUNTIME_GPU])
def test_every_source_that_a_library_includes_changes_its_identifier(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """However deep it lies. The identifier is read from files, so the first one is computed without the cache."""
    for folder in ("include", "cpu", "ort", "cuda"):
        shutil.copytree(library.FOLDER / folder, tmp_path / folder)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    identifier = library.source_id.__wrapped__
    parts = {library.CPU: ("cpu",), library.ONNXRUNTIME: ("cpu", "ort"), library.GPU: ("cuda",)}
    folders = ("include", *parts.get(name, ("cpu", "ort", "cuda")))
    seen = {identifier(name)}
    sources = [path for folder in folders for path in (tmp_path / folder).rglob("*") if path.is_file()]
    for source in sources:
        source.write_text(source.read_text() + "// changed\n")
        seen.add(identifier(name))
    assert len(seen) == len(sources) + 1


def test_a_library_of_other_sources_is_as_good_as_none(empty_machine: Path) -> None:
    path = empty_machine / library.file_name(library.ONNXRUNTIME)
    path.write_bytes(library_of("0123456789ab"))
    assert onnxruntime_library() is None
    path.write_bytes(library_of(library.source_id(library.ONNXRUNTIME)))
    assert onnxruntime_library() == path


def test_a_library_is_found_in_the_users_cache(empty_machine: Path) -> None:
    path = library.built_folder(library.ONNXRUNTIME) / library.file_name(library.ONNXRUNTIME)
    path.parent.mkdir(parents=True)
    path.write_bytes(library_of(library.source_id(library.ONNXRUNTIME)))
    assert onnxruntime_library() == path


def test_a_checkout_finds_the_library_of_an_installed_copy(
    empty_machine: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "site" / "dynast_deploy" / "plugins" / library.file_name(library.ONNXRUNTIME)
    path.parent.mkdir(parents=True)
    path.write_bytes(library_of(library.source_id(library.ONNXRUNTIME)))
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site")])
    assert onnxruntime_library() == path


def test_a_library_that_does_not_load_is_as_good_as_none(empty_machine: Path) -> None:
    (empty_machine / library.file_name(library.CPU)).write_bytes(library_of(library.source_id(library.CPU)))
    assert not native.available()


def test_apts_package_names_tell_the_version() -> None:
    version = onnxruntime_headers._upstream_version
    assert version(Path("libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb")) == (1, 21)
    assert version(Path("libonnxruntime-dev_1%3a1.22.2-3_arm64.deb")) == (1, 22)
    assert version(Path("libonnxruntime-dev.deb")) == (0, 0)


CROSS_COMPILER = "aarch64-linux-gnu-g++"
ARM64 = 183
"""The number of the machine in an ELF header (System V ABI for the Arm 64-bit architecture)."""


@pytest.mark.skipif(not shutil.which(CROSS_COMPILER), reason=f"{CROSS_COMPILER} is not installed")
def test_a_cross_compiler_makes_libraries_for_its_own_target(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CXX", CROSS_COMPILER)
    assert list(build.variants()) == ["plain"]
    build.build_all(tmp_path)
    header = (tmp_path / "libdynast_cpu.so").read_bytes()[:20]
    assert struct.unpack_from("<H", header, 18) == (ARM64,)


@pytest.fixture
def compiler_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Makes $CXX a program that predefines the given macros and compiles nothing."""

    def choose(*macros: str) -> None:
        script = tmp_path / f"compiler-{len(list(tmp_path.iterdir()))}"
        lines = "\n".join(f"#define {macro} 1" for macro in macros)
        script.write_text(f"#!/bin/sh\ncat <<'END'\n{lines}\nEND\n")
        script.chmod(0o755)
        monkeypatch.setenv("CXX", str(script))

    return choose


@pytest.mark.parametrize(
    ("macros", "variants", "name"),
    [
        (("__linux__", "__x86_64__"), ["plain", "avx2", "avx512"], "libdynast_cpu.so"),
        (("__linux__", "__aarch64__"), ["plain"], "libdynast_cpu.so"),
        (("__linux__", "__i386__"), ["plain"], "libdynast_cpu.so"),
        (("__APPLE__", "__aarch64__"), ["plain"], "libdynast_cpu.dylib"),
        (("_WIN32", "__x86_64__"), ["plain", "avx2", "avx512"], "libdynast_cpu.dll"),
    ],
)
def test_the_compiler_is_asked_what_it_builds_for(
    compiler_for: Callable[..., None],
    macros: tuple[str, ...],
    variants: list[str],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    compiler_for(*macros)
    assert list(build.variants()) == variants
    made: list[str] = []
    monkeypatch.setattr(
        build, "compile_libraries", lambda targets: made.extend(path.name for path in targets)
    )
    build.build_all(tmp_path)
    assert name in made


def test_a_cross_build_does_not_replace_this_machines_libraries(compiler_for: Callable[..., None]) -> None:
    compiler_for("_WIN32" if sys.platform == "linux" else "__linux__")
    with pytest.raises(DynastError, match="--output"):
        build.build_all(None)


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = """if True:
        import sys, dynast_deploy.plugins.native_build.cpu, dynast_deploy.plugins.bindings.native
        print(sorted({"torch", "numpy", "onnx", "onnxruntime"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_library_that_is_no_longer_as_it_was_built_is_not_loaded(empty_machine: Path) -> None:
    path = empty_machine / library.file_name(library.CPU)
    whole = library_of(library.source_id(library.CPU))
    altered = bytearray(whole)
    altered[50] ^= 1
    for content, found in ((whole, path), (bytes(altered), None), (whole[:80], None), (whole[:40], None)):
        path.write_bytes(content)
        assert library.find(library.CPU) == found


def test_a_library_without_a_seal_is_taken_unless_it_was_cut_short() -> None:
    sections = struct.pack("<6s34xQ10xHH", b"\x7fELF\x02\x01", 100, 64, 2)
    whole = sections + bytes(100 + 128 - len(sections))
    assert is_whole(whole)
    assert not is_whole(whole[:-1])
    assert not is_whole(whole[:20])
