"""A package that is installed but cannot be imported is one line; our own faults keep their traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT

from dynast_deploy.broken_package import broken_package
from dynast_deploy.commands import doctor

# What current onnx releases raise with an old protobuf, in the words of different releases.
OLD_PROTOBUF = [
    "from google.protobuf import runtime_version_of_tomorrow",
    "raise TypeError('Descriptors cannot be created directly.\\nIf this call came from a _pb2.py file...')",
    "class VersionError(Exception): pass\nraise VersionError('Detected incompatible Protobuf Gencode/Runtime')",
]


def run_beside(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)


def broken_module(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)


@pytest.mark.parametrize("code", OLD_PROTOBUF)
def test_an_onnx_that_does_not_import_is_one_line_in_every_command(tmp_path: Path, code: str) -> None:
    broken_module(tmp_path, "onnx", code)
    model = ROOT / "examples" / "marionette.onnx"
    done = run_beside(tmp_path, "dynast_deploy.cli", "inspect", str(model))
    assert done.returncode == 2
    assert done.stderr.startswith("error: the installed package onnx cannot be imported")
    assert done.stderr.endswith("pip install --upgrade onnx protobuf\n")
    assert done.stderr.count("\n") == 1


def test_the_doctor_names_the_package_and_what_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_module(tmp_path, "onnx", OLD_PROTOBUF[2])
    monkeypatch.syspath_prepend(tmp_path)
    found = doctor.probe("ONNX")
    assert not found["works"]
    assert "VersionError: Detected incompatible Protobuf" in found["detail"]
    assert found["fix"] == "pip install --upgrade onnx protobuf"


def test_a_package_that_is_not_there_is_named_with_the_extra_that_brings_it() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['to_onnx.py', 'missing.pth']\n"
        "from dynast_deploy.commands.export import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False, timeout=120
    )
    assert done.returncode == 2
    assert done.stderr == "error: the package torch is not installed; pip install 'dynast-deploy[export]'\n"


def test_a_package_missing_from_another_one_is_told_from_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken_module(tmp_path, "needs_more", "import nowhere_at_all")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError) as raised:
        exec("import needs_more", {"__name__": "dynast_deploy.somewhere"})
    found = broken_package(raised.value)
    assert found is not None
    assert found.detail.startswith("the installed package needs_more cannot be imported")
    assert "nowhere_at_all" in found.detail


@pytest.mark.parametrize(
    "fault", ["from dynast_deploy.errors import Nothing", "1 / 0", "import dynast_deploy.nowhere"]
)
def test_our_own_faults_are_not_a_packages(fault: str) -> None:
    with pytest.raises((ImportError, ZeroDivisionError)) as raised:
        exec(fault, {"__name__": "dynast_deploy.somewhere"})
    assert broken_package(raised.value) is None


def test_errors_of_a_package_that_was_imported_are_not_about_importing_it() -> None:
    with pytest.raises(ValueError, match="Expecting property name") as raised:
        exec("import json; json.loads('{')", {"__name__": "dynast_deploy.somewhere"})
    assert broken_package(raised.value) is None
