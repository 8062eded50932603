"""The script for a machine with a GPU, as far as one without can go: its checks on emulated kernels, its report."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from types import ModuleType

import gpu_emulation
import pytest
import torch
from checkout import ROOT

from dynast_deploy.bench import operators_gpu as bench_gpu
from dynast_deploy.bench.attention_case import AttentionCase
from dynast_deploy.plugins.bindings import library

SCRIPT = ROOT / "benchmarks" / "gpu_kernels.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_kernels_script", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def _emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    emulator = gpu_emulation.emulator()
    monkeypatch.setattr(library, "load_gpu", lambda: emulator)


@pytest.mark.usefixtures("_emulated")
@pytest.mark.parametrize("scale", ["inner", "inter", "dense"])
def test_its_checks_pass_on_right_kernels_and_fail_on_wrong_ones(
    script: ModuleType, scale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = AttentionCase(scale, 6, 16, 8, 24, "float32", True, threads=1)
    results = script.check(case, "float32", "cpu")
    assert len(results) == (3 if scale == "dense" else 9)
    assert all(result.passed for result in results)
    right = bench_gpu.kernel

    def wrong(case: AttentionCase, tensors: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
        attended, confidence, matches = right(case, tensors)
        return attended * 1.001, confidence * torch.nan, matches.flip(1)

    monkeypatch.setattr(bench_gpu, "kernel", wrong)
    assert [result.passed for result in script.check(case, "float32", "cpu")[:3]] == [False] * 3


def test_the_report_has_what_a_later_reader_asks(script: ModuleType) -> None:
    timing = bench_gpu.Timing("inner", "float16", "kernel", 0.5, 100.0, 0.25)
    written = json.loads(
        json.dumps(
            script.report([script.Check("inner", "float32", "attended", 2e-7, 1e-5)], [timing], 400.0, {})
        )
    )
    assert {"date", "gpu", "torch", "nvcc", "sources"} <= set(written["machine"])
    assert written["checks"][0]["passed"] is True
    assert written["timings"][0]["share"] == 0.25


def test_a_table_compares_with_the_kernel() -> None:
    rows = [
        bench_gpu.Timing("inner", "float16", "kernel", 0.5, 100.0, 0.25),
        bench_gpu.Timing("inner", "float16", "PyTorch", 5.0, 10.0, 0.025),
    ]
    lines = bench_gpu.table(rows).splitlines()
    assert lines[2].split() == ["inner", "float16", "PyTorch", "5.0000", "10.0", "10", "2.5%"]
    assert len({len(line) for line in lines}) == 1


def test_the_timed_layers_are_those_of_the_published_model() -> None:
    inner, inter, dense = bench_gpu.timed_cases(256)
    assert (inner.size, inner.channels, inner.value_channels) == (256, 80, 64)
    assert (inter.scale, dense.scale, dense.size) == ("inter", "dense", 32)


def test_without_a_gpu_both_commands_say_so() -> None:
    if torch.cuda.is_available():
        pytest.skip("here is a GPU")
    for command in ([str(SCRIPT)], ["-m", "dynast_deploy.bench.operators", "--device", "cuda"]):
        done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert "PyTorch with CUDA" in done.stderr
