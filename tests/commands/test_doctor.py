"""`dynast doctor`: says what is here, and survives whatever is broken."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from plan_machine import plan_machine
from typer.testing import CliRunner

from dynast_deploy.cli import app
from dynast_deploy.commands import doctor, probes
from dynast_deploy.commands.probes import native_attention, nvidia
from dynast_deploy.commands.probes.finding import Finding
from dynast_deploy.plugins.bindings import library


def test_doctor_lists_the_packages_of_every_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"core": project["dependencies"], **project["optional-dependencies"]}
    listed = {extra: packages for extras, packages in doctor.PACKAGES.items() for extra in extras.split(", ")}
    del named["dev"]
    assert {
        extra: [requirement.split(">")[0].split("=")[0] for requirement in requirements]
        for extra, requirements in named.items()
    } == {extra: list(packages) for extra, packages in listed.items()}


def test_doctor_answers_for_every_backend_and_exits_0() -> None:
    done = CliRunner().invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [row["backend"] for row in found["backends"]] == list(probes.PROBES)
    for row in found["backends"]:
        assert row["detail"]
        if not row["works"]:
            assert row["fix"] or "pip " in row["detail"], row
    here = {row["package"]: row["installed"] for row in found["packages"]}
    assert here["numpy"] == np.__version__


def broken_package(folder: Path, name: str, code: str) -> None:
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(code)


@pytest.mark.parametrize(
    ("code", "detail"),
    [
        ("import os; os.abort()", "ends its process with status -6"),
        ("import sys; sys.exit(3)", "ends its process with status 3"),
        ("raise RuntimeError('cannot find its kernels')", "RuntimeError: cannot find its kernels"),
        ("import nowhere_at_all", "does not import: No module named 'nowhere_at_all'"),
        ("raise ImportError('libcudnn.so.9: no such file')", "does not load: libcudnn.so.9"),
    ],
)
def test_doctor_survives_a_broken_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, detail: str
) -> None:
    broken_package(tmp_path, "tensorrt", code)
    monkeypatch.syspath_prepend(tmp_path)
    found = doctor.probe("TensorRT")
    assert found["works"] is False
    assert detail in found["detail"]
    assert found["fix"]


def test_doctor_takes_a_chatty_package_at_its_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken_package(tmp_path, "cv2", "print('hello from the library'); __version__ = '9.9'")
    monkeypatch.syspath_prepend(tmp_path)
    assert doctor.probe("OpenCV") == {"backend": "OpenCV", "works": True, "detail": "9.9", "fix": None}


NO_DRIVER = Finding(False, "not installed", "install its driver")


def test_doctor_tries_what_a_plan_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "nvidia_driver", lambda: Finding(True, "CUDA 12.9, 1 GPUs"))
    with plan_machine(tmp_path) as machine:
        assert nvidia.pycuda().works
        assert "8.9, 1074 of 1074 MB free" in nvidia.pycuda().detail
        assert nvidia.cuda_graphs().works
        machine.world.check_clean()
        machine.world.refuse_capture = True
        with pytest.raises(Exception, match="INVALIDATED"):
            nvidia.cuda_graphs()


@pytest.mark.parametrize(
    ("version", "driver", "works", "words"),
    [
        ("10.8.0.43", NO_DRIVER, False, "10.8.0.43 is older than 10.9"),
        ("10.13.0", NO_DRIVER, False, "10.13.0 is installed, the driver: not installed"),
    ],
)
def test_doctor_says_why_plans_do_not_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    version: str,
    driver: Finding,
    works: bool,
    words: str,
) -> None:
    monkeypatch.setattr(nvidia, "nvidia_driver", lambda: driver)
    with plan_machine(tmp_path):
        monkeypatch.setattr(sys.modules["tensorrt"], "__version__", version)
        found = nvidia.tensorrt()
        assert (found.works, found.detail) == (works, words)
        assert found.fix
        assert not nvidia.pycuda().works
        assert "the driver: not installed" in nvidia.cuda_graphs().detail


def test_doctor_tells_a_library_that_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvidia, "nvidia_driver", lambda: Finding(True, "CUDA 12.2, 1 GPUs"))
    with plan_machine(tmp_path) as machine:
        machine.failures.messages["Runtime"] = ["CUDA initialization failure with error: 35"]
        found = nvidia.tensorrt()
    assert not found.works
    assert "does not start with this driver, CUDA 12.2" in found.detail
    assert "update the driver" in (found.fix or "")


def test_plans_for_rtx_cards_are_built_without_a_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia, "nvidia_driver", lambda: NO_DRIVER)
    with plan_machine(tmp_path):
        found = nvidia.tensorrt_rtx()
    assert found.works
    assert found.detail.endswith("builds plans all the same")


def test_doctor_gives_up_on_a_package_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(command: list[str], *, timeout: float, **_: object) -> None:
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "gives no answer within" in doctor.probe("PyTorch")["detail"]


def test_doctor_names_the_build_command_for_stale_and_missing_libraries(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "find", lambda _: None)
    monkeypatch.setattr(library, "built_folder", lambda _: tmp_path)
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    missing = native_attention.onnxruntime_attention()
    assert "not built" in missing.detail
    assert "python -m dynast_deploy.plugins.build" in (missing.fix or "")
    (tmp_path / library.file_name(library.CPU)).write_bytes(b"old")
    assert "built from other sources" in native_attention.pytorch_attention().detail
