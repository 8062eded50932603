"""Check and time the GPU kernels on this machine's GPU: `python benchmarks/gpu_kernels.py --json FILE`.

One command for a machine with an NVIDIA GPU, PyTorch with CUDA and nvcc. It builds the kernels if they are not built,
compares every one of them, gradients included, with the reference in float64 on the CPU, runs them under
compute-sanitizer (memcheck and racecheck), and times them at the published size as
`python -m dynast_deploy.bench.operators --device cuda` does. The JSON has date, GPU and versions with it and belongs in
docs/measurements/. Exit status 1 if a check fails.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.bench import operators_gpu as bench_gpu
from dynast_deploy.bench.attention_case import AttentionCase
from dynast_deploy.bench.operators_gpu import DTYPES, GRADIENTS, Timing
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.plugins.bindings import library, native_gpu
from dynast_deploy.plugins.native_build import gpu as build_gpu

SANITIZERS = ("memcheck", "racecheck")


@dataclass(frozen=True)
class Check:
    """Largest error of a result over the largest expected magnitude, and what it may be."""

    kernel: str
    dtype: str
    result: str
    error: float
    allowed: float

    @property
    def passed(self) -> bool:
        """Whether the error is within what is allowed."""
        return self.error <= self.allowed  # NaN is not


def _error(actual: Tensor, expected: Tensor) -> float:
    difference = (actual.detach().cpu().double() - expected).abs().max()
    return float(difference / expected.abs().max().clamp_min(1e-30))


def check(case: AttentionCase, name: str, device: str) -> list[Check]:
    """Results, and gradients of the sparse layers, against float64; 16 bits may err twice as much as plain PyTorch."""
    dtype = DTYPES[name]
    tensors = bench_gpu.inputs_of(case, dtype, device)
    exact = {n: x.cpu() if n == "matches" else x.cpu().double().requires_grad_() for n, x in tensors.items()}
    rough = {n: x.cpu() if n == "matches" else x.cpu().requires_grad_() for n, x in tensors.items()}
    expected, plain = bench_gpu.reference(case, exact), bench_gpu.reference(case, rough)

    def compare(result: str, actual: Tensor, wanted: Tensor, of_plain: Tensor, least: float) -> Check:
        allowed = least if dtype == torch.float32 else 2 * _error(of_plain, wanted.detach())
        return Check(case.scale, name, result, _error(actual, wanted.detach()), max(least, allowed))

    attended, confidence, matches = bench_gpu.kernel(case, tensors)
    checks = [
        compare("attended", attended, expected.attended, plain.attended, 1e-5),
        compare("confidence", confidence, expected.confidence, plain.confidence, 1e-5),
    ]
    differing = float((matches.cpu().long() != expected.matches).double().mean())
    checks.append(Check(case.scale, name, "share of differing matches", differing, 0.001))
    if case.scale == "dense":
        return checks
    incoming = [torch.ones_like(attended), torch.ones_like(confidence)]
    gradients = bench_gpu.kernel_gradients(case, tensors, incoming)
    pairs = ((expected, exact), (plain, rough))
    of_exact, of_rough = (
        torch.autograd.grad(result.attended.sum() + result.confidence.sum(), [leaves[n] for n in GRADIENTS])
        for result, leaves in pairs
    )
    for n, actual, wanted, of_plain in zip(GRADIENTS, gradients, of_exact, of_rough, strict=True):
        checks.append(compare(f"gradient of {n}", actual, wanted, of_plain, 1e-4))
    again = bench_gpu.kernel_gradients(case, tensors, incoming)
    unequal = sum(not torch.equal(a, b) for a, b in zip(gradients, again, strict=True))
    checks.append(Check(case.scale, name, "gradients that differ from run to run", unequal, 0))
    return checks


def check_cases() -> list[AttentionCase]:
    """Small layers of odd sizes, wide rows and narrow ones."""
    return [
        AttentionCase(scale, size, *channels, dtype="float32", scattered=True, threads=1)
        for scale, size in (("inner", 15), ("inter", 14), ("dense", 11))
        for channels in ((80, 16, 64), (21, 5, 18))
    ]


def sanitize(tool: str) -> str:
    """What compute-sanitizer's tool says of the checks: "clean", or its last lines, or why it did not run."""
    sanitizer = shutil.which("compute-sanitizer")
    if sanitizer is None:
        return "not run: compute-sanitizer is not on the PATH"
    command = [sanitizer, "--tool", tool, "--error-exitcode", "3", sys.executable, __file__, "--check-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "clean" if done.returncode == 0 else (done.stdout + done.stderr)[-2000:]


def versions() -> dict[str, str]:
    """Date, GPU, versions of PyTorch, CUDA and Python, and the kernels' sources, for the JSON."""
    nvcc = build_gpu.find_nvcc()
    release = subprocess.run([nvcc, "--version"], capture_output=True, text=True).stdout if nvcc else ""
    return {
        "date": datetime.date.today().isoformat(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "torch": torch.__version__,
        "cuda of torch": str(torch.version.cuda),
        "nvcc": release.strip().splitlines()[-1] if release else "none",
        "python": platform.python_version(),
        "sources": library.source_id(library.GPU),
    }


def report(
    checks: list[Check], timings: list[Timing], copy: float, sanitized: dict[str, str]
) -> dict[str, Any]:
    """What is written as JSON."""
    return {
        "machine": versions(),
        "copy_gb_per_s": copy,
        "checks": [{**asdict(check), "passed": check.passed} for check in checks],
        "sanitizer": sanitized,
        "timings": [asdict(timing) for timing in timings],
    }


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments.

    Raises:
        SystemExit: With status 0 where every check passes, 1 where one fails, 2 where there is no GPU.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=256, help="picture size of the timings (default 256)")
    parser.add_argument(
        "--repeats", type=int, default=100, help="runs of which the median counts (default 100)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there")
    parser.add_argument("--check-only", action="store_true", help="no timings and no compute-sanitizer")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("this needs an NVIDIA GPU and a PyTorch with CUDA; see `dynast doctor`", file=sys.stderr)
        raise SystemExit(2)
    if not native_gpu.available():
        print(*build_gpu.build_gpu(None), sep="\n")
        library.load_gpu.cache_clear()
    checks = [result for case in check_cases() for name in DTYPES for result in check(case, name, "cuda")]
    for result in checks:
        if not result.passed:
            print(f"FAILED {result}")
    print(f"{sum(result.passed for result in checks)} of {len(checks)} checks passed")
    if not options.check_only:
        sanitized = {tool: sanitize(tool) for tool in SANITIZERS}
        for tool, said in sanitized.items():
            print(f"compute-sanitizer {tool}: {said}")
        copy = bench_gpu.copy_gb_per_s(options.repeats)
        print(f"copy: {copy:.0f} GB/s")
        timings = bench_gpu.measure(options.size, options.repeats)
        print(bench_gpu.table(timings))
        if options.json:
            written = report(checks, timings, copy, sanitized)
            write_text(options.json, json.dumps(written, indent=1) + "\n")
    raise SystemExit(0 if all(result.passed for result in checks) else 1)


if __name__ == "__main__":
    main()
