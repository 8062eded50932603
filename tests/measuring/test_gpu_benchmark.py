"""The measurement for a GPU box: runs through on stand-ins, and prints why it cannot where there is no GPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT
from cuda_world import World
from plan_machine import plan_machine
from tiny_engine import write_tiny_engine

from dynast_deploy.plugins import gpu_kernels
from dynast_deploy.runtime.cuda.device import open_gpu

BENCHMARKS = ROOT / "benchmarks"


def invert(world: World, threads: int, source: int, target: int, count: int) -> None:
    """The kernel in `gpu_parts.INVERT`."""
    assert count <= threads
    world.bytes_at(int(target), int(count))[:] = ~world.bytes_at(int(source), int(count))


def attention(world: World, threads: int, *arguments: object) -> None:
    """Stands for our kernel: its arguments have to be six addresses, twelve numbers and three addresses."""
    kinds = [type(argument) for argument in arguments]
    assert kinds == [*[np.uintp] * 6, *[np.int32] * 12, *[np.uintp] * 3]


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(gpu_kernels, "compile_ptx", lambda *_: b"")
    import gpu_runtime

    return gpu_runtime


@pytest.mark.parametrize("schedule", ["late", "early", 1, 2])
def test_every_part_runs_through_on_stand_ins(parts, tmp_path: Path, schedule: str | int) -> None:
    world = World(schedule, kernels={"invert": invert, "dynast_inner_float_8": attention})
    with plan_machine(tmp_path, world) as machine:
        gpu = open_gpu()
        assert set(parts.copies(gpu, (1000,))["1000 bytes"]) == {"up", "down"}
        layer = parts.attention_layer(gpu, parts.milliseconds_of, 2)
        assert set(layer["graph"]) == {"p50", "p95", "p99"}
        lane = parts.frames_through_a_lane(gpu, parts.milliseconds_of, 3, (3, 8, 8))
        assert "cuGraphLaunch" in machine.world.calls
        for row in lane.values():
            assert set(row) == {"overlapping", "one after another", "wrong bytes"}
            assert row["wrong bytes"] == 0
        assert set(parts.tensorrt(machine.path, 2)) == {"plan", "backend", "plain", "graphs"}


def test_the_onnx_part_compares_with_the_cpu(parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "BATCHES", (1, 2))
    found = parts.onnxruntime_cuda(write_tiny_engine(tmp_path), 2, device="cpu")
    for row in (found["plain"], found["graphs"]):
        assert row["largest difference"] == row["changes from frame to frame"] == 0
        assert set(row["batch 2"]) == {"p50", "p95", "p99"}


def test_a_part_that_fails_is_told_and_the_next_one_runs(parts) -> None:
    def fail() -> None:
        raise RuntimeError("an illegal memory access was encountered")

    assert "illegal memory access" in parts.attempt(fail)["failed"][-1]


def test_without_a_gpu_every_part_says_what_it_lacks(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    code = (
        "import runpy, sys; sys.modules['pycuda'] = None; sys.path.insert(0, sys.argv[1]); del sys.argv[1]; "
    )
    code += "sys.argv[0] = 'gpu_runtime'; runpy.run_module('gpu_runtime', run_name='__main__')"
    arguments = [str(BENCHMARKS), "--frames", "2", "-o", str(tmp_path / "found.json")]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["system"]["date"]
    for name in ("copies", "attention", "lane"):
        assert "pycuda" in found[name]["skipped"]
    assert found["tensorrt"] == {"skipped": "give a plan with --plan"}
