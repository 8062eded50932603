"""Installed and not: what `pip install` brings, and that it works from everywhere. Slow: every fixture runs pip."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
import tarfile
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest
from checkout import ROOT

from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu as build

pytestmark = pytest.mark.slow

PARTS = ("calib", "export", "plugins", "runtime")
LEFT_BEHIND = shutil.ignore_patterns(
    ".git",
    "build",
    "dist",
    "*.egg-info",
    "__pycache__",
    "*.so",
    ".*_cache",
    ".venv",
    ".hypothesis",
    "examples",
    "docs",
)


@dataclass(frozen=True)
class Installed:
    """A copy of the checkout, and an environment in which it was installed."""

    checkout: Path
    folder: Path

    @property
    def site_packages(self) -> Path:
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.folder)}))

    def script(self, name: str) -> Path:
        return Path(sysconfig.get_path("scripts", vars={"base": str(self.folder)})) / name

    def python(self, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        return run(str(self.script("python")), *arguments, cwd=cwd)


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command that knows nothing of this test's own paths; fail with its words if it fails."""
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        command, cwd=cwd, env=clean | environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def install(folder: Path, *, editable: bool, **environment: str) -> Installed:
    """Install a copy of the checkout into a new environment, whose dependencies are those of this one."""
    checkout = folder / "checkout"
    shutil.copytree(ROOT, checkout, ignore=LEFT_BEHIND)
    venv.create(folder / "env", with_pip=False, symlinks=True)
    made = Installed(checkout, folder / "env")
    # A path file is not read for path files of its own, so that no editable installation comes in with it.
    (made.site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    options = ["--no-deps", "--no-build-isolation", "--no-index", "-q"]
    target = ["-e", "."] if editable else ["."]
    run(
        str(made.script("python")), "-m", "pip", "install", "--force-reinstall", *options, *target,
        cwd=checkout,
        **environment,
    )  # fmt: skip
    return made


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install .`, native libraries included where there is a compiler."""
    return install(tmp_path_factory.mktemp("plain"), editable=False)


@pytest.fixture(scope="module")
def editable(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """`pip install -e .` on a machine without a compiler."""
    return install(tmp_path_factory.mktemp("editable"), editable=True, CXX="no-such-compiler")


@pytest.fixture(params=["plain", "editable"])
def installed(request: pytest.FixtureRequest) -> Installed:
    found: Installed = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize("place", ["checkout", "elsewhere"])
def test_every_part_is_imported_from_the_checkout_and_from_elsewhere(
    installed: Installed, place: str, tmp_path: Path
) -> None:
    cwd = installed.checkout if place == "checkout" else tmp_path
    names = ["dynast_deploy", *(f"dynast_deploy.{part}" for part in PARTS), "dynast_deploy.commands.run"]
    code = (
        f"import json, importlib\nprint(json.dumps([importlib.import_module(n).__file__ for n in {names}]))"
    )
    files = [Path(file) for file in json.loads(installed.python("-c", code, cwd=cwd).stdout)]
    # Python prefers the folder it is started in; either way all parts belong to one copy.
    copied = installed.folder in files[0].parents
    assert all((installed.folder in file.parents) == copied for file in files)
    assert all(installed.folder in file.parents or installed.checkout in file.parents for file in files)
    if place == "elsewhere":
        assert copied == (installed.site_packages / "dynast_deploy").is_dir()


def test_nothing_but_dynast_deploy_lands_in_site_packages(plain: Installed) -> None:
    (record,) = plain.site_packages.glob("dynast_deploy-*.dist-info/RECORD")
    tops = {line.split(",")[0].split("/")[0] for line in record.read_text().splitlines()}
    assert {top for top in tops if top != ".." and not top.endswith(".dist-info")} == {"dynast_deploy"}


def test_an_installed_copy_has_every_module_its_types_and_the_native_sources(plain: Installed) -> None:
    wanted = {path.relative_to(ROOT) for path in (ROOT / "dynast_deploy").rglob("*.py")}
    for part in PARTS:
        for ending in ("py", "h", "cpp", "cu", "cuh"):
            wanted |= {
                "dynast_deploy" / path.relative_to(ROOT) for path in (ROOT / part).rglob(f"*.{ending}")
            }
    wanted |= {Path("dynast_deploy/py.typed")}
    there = {
        path.relative_to(plain.site_packages) for path in (plain.site_packages / "dynast_deploy").rglob("*.*")
    }
    assert wanted - there == set()


@pytest.mark.skipif(build.find_compiler() is None, reason="no C++ compiler here")
def test_an_installed_copy_has_native_libraries_that_load(plain: Installed, tmp_path: Path) -> None:
    code = (
        "from dynast_deploy.plugins.bindings import library, native\n"
        "print(library.find(library.CPU), native.variant())"
    )
    path, variant = plain.python("-c", code, cwd=tmp_path).stdout.split()
    assert Path(path) == plain.site_packages / "dynast_deploy" / "plugins" / library.file_name(library.CPU)
    assert variant in build.variants()


def test_without_a_compiler_it_installs_and_says_what_is_missing(editable: Installed, tmp_path: Path) -> None:
    assert not list(editable.checkout.rglob(library.file_name(library.CPU)))
    # The library is looked for in the user's cache and among the dependencies too.
    code = (
        f"import sys; sys.path.remove({sysconfig.get_path('purelib')!r})\n"
        "from dynast_deploy.commands.probes.native_attention import pytorch_attention; print(pytorch_attention())"
    )
    done = run(str(editable.script("python")), "-c", code, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path))
    assert "works=False" in done.stdout
    assert library.BUILD_COMMAND in done.stdout


BARE_INTERPRETERS = 30
"""How many starts of a bare interpreter help may take: half a second where one start takes 17 ms."""


@pytest.mark.parametrize("command", ["dynast", "dynast-run"])
def test_help_answers_as_fast_as_a_few_bare_interpreters(
    installed: Installed, command: str, tmp_path: Path
) -> None:
    bare, helpful = [], []
    # In turn, since other work may share the machine, and the usual one of each.
    for _ in range(7):
        bare.append(seconds_of(str(installed.script("python")), "-c", "pass", cwd=tmp_path))
        helpful.append(seconds_of(str(installed.script(command)), "--help", cwd=tmp_path))
    assert median(helpful) < BARE_INTERPRETERS * median(bare)


def seconds_of(*command: str, cwd: Path) -> float:
    started = time.perf_counter()
    run(*command, cwd=cwd)
    return time.perf_counter() - started


def test_a_source_archive_has_all_that_a_build_needs(editable: Installed, tmp_path: Path) -> None:
    code = f"from setuptools import build_meta; print(build_meta.build_sdist({str(tmp_path)!r}))"
    name = editable.python("-c", code, cwd=editable.checkout).stdout.split()[-1]
    with tarfile.open(tmp_path / name) as archive:
        there = {Path(*Path(member).parts[1:]) for member in archive.getnames()}
    wanted = {
        Path("pyproject.toml"),
        Path("setup.py"),
        Path("README.md"),
        Path("LICENSE"),
        Path("constraints.txt"),
        Path("constraints-oldest.txt"),
    }
    for folder in ("dynast_deploy", *PARTS, "tests"):
        for ending in ("py", "typed", "h", "cpp", "cu", "cuh"):
            wanted |= {path.relative_to(ROOT) for path in (ROOT / folder).rglob(f"*.{ending}")}
    assert wanted - there == set()
