"""The engine bundle: what is written is read again, what is damaged, foreign or made for another machine is refused."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from plan_manifest import MANIFEST

from dynast_deploy.errors import DynastError
from dynast_deploy.formats import plan as plan_file
from dynast_deploy.formats.manifest import PlanKind
from dynast_deploy.formats.plan import read_manifest, read_plans, write_plan_file
from dynast_deploy.runtime.trt.compatibility import Host, check_compatible

HERE = Host(PlanKind.TENSORRT, "10.9.0.34", "8.9", "NVIDIA GeForce RTX 4090", "1")


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "model.plan"
    write_plan_file(path, MANIFEST, b"encoder" * 999, memoryview(b"renderer" * 99))
    return path


def test_what_was_written_is_read_again(bundle: Path) -> None:
    assert read_manifest(bundle) == MANIFEST
    plans = read_plans(bundle)
    assert bytes(plans.encoder) == b"encoder" * 999
    assert bytes(plans.renderer) == b"renderer" * 99
    assert os.listdir(bundle.parent) == ["model.plan"]


def test_it_is_a_plain_archive_whose_plans_begin_on_pages(bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["manifest.json", "encoder.plan", "renderer.plan"]
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read("encoder.plan") == b"encoder" * 999
    content = bundle.read_bytes()
    assert content.index(b"encoderencoder") % 4096 == content.index(b"rendererrenderer") % 4096 == 0


def test_plans_beyond_the_limit_of_plain_zip_begin_on_pages_too(bundle: Path, monkeypatch) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 1000)
    write_plan_file(bundle, MANIFEST, b"encoder" * 999, b"renderer" * 99)
    assert bytes(read_plans(bundle).encoder) == b"encoder" * 999
    assert bundle.read_bytes().index(b"encoderencoder") % 4096 == 0


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.99])
def test_a_truncated_bundle_is_refused(bundle: Path, kept: float) -> None:
    content = bundle.read_bytes()
    bundle.write_bytes(content[: int(len(content) * kept)])
    for read in (read_manifest, read_plans):
        with pytest.raises(DynastError, match="cut short"):
            read(bundle)


def test_a_flipped_bit_in_a_plan_is_found(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[content.index(b"rendererrenderer") + 70] ^= 1
    bundle.write_bytes(content)
    with pytest.raises(DynastError, match="renderer.plan in it is damaged"):
        read_plans(bundle)


def test_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.plan"
    with pytest.raises(DynastError, match="no such engine file"):
        read_manifest(path)
    path.write_bytes(b"ftrt" + bytes(5000))  # as a bare TensorRT plan begins
    with pytest.raises(DynastError, match="not an engine bundle"):
        read_manifest(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("encoder.plan", "x")
    with pytest.raises(DynastError, match=r"it has no manifest\.json, renderer\.plan"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "another version of dynast-deploy"),
        ({"kind": "openvino"}, "openvino"),
        ({"batch": {"least": 1}}, "batch is"),
        ({"colour": "red"}, "does not say everything"),
        ({"precision": None, "format": None}, "another version"),
    ],
)
def test_manifests_that_say_something_else_are_refused(tmp_path: Path, change: dict, message: str) -> None:
    values = json.loads(MANIFEST.to_json()) | change
    path = tmp_path / "model.plan"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(values))
        archive.writestr("encoder.plan", "x")
        archive.writestr("renderer.plan", "x")
    with pytest.raises(DynastError, match=message):
        read_manifest(path)


def test_an_earlier_bundle_survives_a_failure(bundle: Path, monkeypatch) -> None:
    before = bundle.read_bytes()

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(plan_file, "_add", full)
    with pytest.raises(DynastError, match="disk is full"):
        write_plan_file(bundle, MANIFEST, b"1", b"2")
    assert bundle.read_bytes() == before
    assert os.listdir(bundle.parent) == ["model.plan"]


def test_a_plan_for_this_machine_passes() -> None:
    assert check_compatible(MANIFEST, "model.plan", HERE) == []
    other = dataclasses.replace(HERE, gpu="NVIDIA L40")
    (note,) = check_compatible(MANIFEST, "model.plan", other)
    assert "NVIDIA L40" in note


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ({"library_version": "10.9.0.35"}, "needs that version, and here is 10.9.0.35"),
        ({"library_version": "11.4.0.1"}, "here is 11.4.0.1"),
        ({"compute_capability": "8.6", "gpu": "A10"}, r"capability 8.9, and this GPU \(A10\) has 8.6"),
        ({"plugin_version": "2"}, "plugin version 1, and this dynast-deploy has 2"),
        ({"kind": PlanKind.TENSORRT_RTX}, "it is for TensorRT, and TensorRT-RTX is what runs here"),
    ],
)
def test_what_differs_is_named_with_the_command_that_rebuilds(host: dict, message: str) -> None:
    with pytest.raises(DynastError, match=message) as refused:
        check_compatible(MANIFEST, "model.plan", dataclasses.replace(HERE, **host))
    command = "dynast build-engine --onnx model.onnx --fp16 --batch 1,2,4 -o model.plan"
    assert str(refused.value).endswith(command)


@pytest.mark.parametrize(
    ("version", "capability", "runs"),
    [
        ("10.10.0.2", "8.9", True),
        ("11.0.0", "9.0", True),
        ("10.8.0.43", "8.9", False),
        ("10.9.0.34", "12.0", True),
        ("10.9.0.34", "7.5", False),
    ],
)
def test_compatible_plans_run_on_later_versions_and_gpus_alone(
    version: str, capability: str, runs: bool
) -> None:
    manifest = dataclasses.replace(
        MANIFEST, version_compatible=True, hardware_compatible=True, compute_capabilities=("8.0",)
    )
    host = dataclasses.replace(HERE, library_version=version, compute_capability=capability)
    if runs:
        assert check_compatible(manifest, "model.plan", host) == []
    else:
        with pytest.raises(DynastError, match="or later" if version < "10.9" else "and later"):
            check_compatible(manifest, "model.plan", host)


def test_reading_a_bundle_imports_nothing_heavy() -> None:
    code = (
        "import sys, dynast_deploy.runtime.trt.compatibility; "
        "print([n for n in ('numpy', 'onnx', 'tensorrt') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
