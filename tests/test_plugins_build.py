"""Building and finding the native libraries, with and without a compiler."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from dynast_deploy.errors import DynastError
from dynast_deploy.plugins import build, library, native, onnxruntime_headers, onnxruntime_library


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
    return b"\x7fELF dynast-source:" + source_id.encode() + b"\0"


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
        build.main(["--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_a_library_the_operators_say_how_to_build_it(empty_machine: Path) -> None:
    assert not native.available()
    assert onnxruntime_library() is None
    with pytest.raises(DynastError, match="python -m dynast_deploy.plugins.build"):
        native.variant()


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


def test_importing_the_package_imports_nothing_heavy() -> None:
    program = """if True:
        import sys, dynast_deploy.plugins.build, dynast_deploy.plugins.native
        print(sorted({"torch", "numpy", "onnx", "onnxruntime"} & set(sys.modules)))
    """
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
