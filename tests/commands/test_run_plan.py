"""`dynast-run --engine model.plan`: the whole job on a machine of stand-ins, and every plan that is refused."""

from __future__ import annotations

import builtins
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from plan_machine import SIZE, Machine, expected, plan_machine
from run_command import FRAMES, dynast_run, files, frames_of, job

from dynast_deploy.conditions import picture_tensor, pose_condition
from dynast_deploy.formats.manifest import PlanKind
from dynast_deploy.formats.plan import read_manifest
from dynast_deploy.keypoints import read_poses
from dynast_deploy.media.picture_files import read_picture


@pytest.fixture
def work(media: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(media, tmp_path / "work"))


@pytest.fixture
def machine(work: Path) -> Iterator[Machine]:
    with plan_machine(work) as made:
        yield made


def test_a_video_is_rendered_by_a_plan(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = job(work, engine=machine.path, batch=2, output=work / "out.mkv")
    assert dynast_run(monkeypatch, *arguments) == 0, capsys.readouterr().err
    poses = [read_poses(work / name).keypoints for name in ("drive.poses.npz", "ref.poses.npz")]
    maps = [pose_condition(pose, (64, 64), SIZE) for pose in (*poses[0], *poses[1])]
    tensor = picture_tensor(read_picture(work / "ref.png"), SIZE)
    picture = np.rint((tensor + 1) * 127.5).astype(np.uint8)[None]
    wanted = expected(machine.manifest, picture, maps[-1][None], np.stack(maps[:-1]))
    found = frames_of(work / "out.mkv")
    assert len(found) == FRAMES
    # The stand-in paints every frame in one shade of grey; H.264 keeps it to a level or two.
    for frame, image in zip(found, wanted, strict=True):
        assert np.abs(frame.astype(int) - image[0, 0, 0]).max() <= 2
    # The next frames are given to the GPU before the last ones are waited for.
    order = [call for call in machine.world.calls if call in ("memcpy_dtoh_async", "event.synchronize")]
    assert order[:3] == ["memcpy_dtoh_async", "memcpy_dtoh_async", "event.synchronize"]


def refused(
    machine: Machine, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """The one line that dynast-run ends with."""
    before = files(work)
    monkeypatch.setattr(machine.world, "calls", [])
    assert dynast_run(monkeypatch, *job(work, engine=machine.path)) == 2
    error = capsys.readouterr().err
    assert files(work) == before
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "runtime" not in machine.world.calls  # nothing was deserialised
    return error


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"library_version": "10.13.0.35"},
            "built by TensorRT 10.13.0.35 and needs that version, and here is 10.9.0.34",
        ),
        (
            {"library_version": "11.4.0.106", "version_compatible": True},
            "needs that version or later, and here is 10.9.0.34",
        ),
        (
            {"compute_capabilities": ("8.6",)},
            "built for compute capability 8.6, and this GPU (Stand-in GPU) has 8.9",
        ),
        (
            {"compute_capabilities": ("12.0",), "hardware_compatible": True},
            "compute capability 12.0 and later, and this GPU",
        ),
        ({"plugin_version": "0"}, "holds attention plugin version 0, and this dynast-deploy has 1"),
    ],
)
def test_a_plan_for_another_machine_is_refused_before_it_is_deserialised(
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    message: str,
) -> None:
    with plan_machine(work, **change) as machine:
        error = refused(machine, work, monkeypatch, capsys)
    assert message in error
    assert read_manifest(machine.path).rebuild_command(machine.path) in error


def truncated(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.rindex(b'"image"')] ^= 1
    path.write_bytes(content)


def bare(path: Path) -> None:
    path.write_bytes(b"ftrt" + bytes(4000))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "cut short"),
        (flipped, "renderer.plan in it is damaged"),
        (bare, "is a bare TensorRT plan"),
    ],
)
def test_a_damaged_bundle_is_refused(
    machine: Machine,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    damage: Callable[[Path], None],
    message: str,
) -> None:
    damage(machine.path)
    assert message in refused(machine, work, monkeypatch, capsys)


@pytest.mark.parametrize(
    ("module", "kind", "message"),
    [
        ("tensorrt", "tensorrt", "this engine needs TensorRT: pip install 'dynast-deploy[trt]'"),
        ("tensorrt_rtx", "tensorrt-rtx", "this engine needs TensorRT-RTX: pip install 'dynast-deploy[rtx]'"),
        ("pycuda", "tensorrt", "a GPU engine needs pycuda: pip install 'dynast-deploy[trt]'"),
    ],
)
def test_a_missing_library_is_one_line_with_the_extra_that_brings_it(
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: str,
    kind: str,
    message: str,
) -> None:
    imported = builtins.__import__

    def missing(name: str, *arguments: Any, **options: Any) -> Any:
        if name.split(".")[0] == module:
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return imported(name, *arguments, **options)

    with plan_machine(work, kind=PlanKind(kind)) as machine:
        monkeypatch.setattr("importlib.import_module", missing)
        monkeypatch.setattr(builtins, "__import__", missing)
        monkeypatch.delitem(sys.modules, module)
        error = refused(machine, work, monkeypatch, capsys)
        monkeypatch.undo()
    assert message in error
