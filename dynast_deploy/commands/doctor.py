"""`dynast doctor`: what is installed, which backends work here, and what to do about the others."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from dynast_deploy.commands.probes import PROBES, reinstall
from dynast_deploy.commands.show import megabytes, show

PACKAGES = {
    "core": ("numpy", "opencv-python-headless", "pillow", "av", "onnx", "rich", "typer"),
    "cpu": ("onnxruntime",),
    "gpu": ("onnxruntime-gpu",),
    "trt": ("tensorrt", "pycuda", "cuda-bindings", "polygraphy"),
    "rtx": ("tensorrt_rtx",),
    "export": ("torch",),
    "train": ("torch", "tensorboard"),
    "pose": ("pip",),
    "plot": ("matplotlib",),
}
"""What each extra of this project brings; "core" comes by itself."""

PATIENCE_S = 60
"""How long a probe may take: a first import of PyTorch from a cold disk takes most of it."""

_CPU_FLAGS = ("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "amx_tile")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Say what is installed, which backends work on this machine, and how to get the others."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        backends = list(pool.map(probe, PROBES))
    show({"system": system(), "packages": packages(), "backends": backends}, as_json)


def system() -> dict[str, Any]:
    """Versions and the machine, for `commands.show`."""
    from dynast_deploy.version import __version__

    return {
        "dynast_deploy": f"{__version__} in {Path(__file__).resolve().parents[1]}",
        "python": f"{platform.python_version()}, {sys.executable}",
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_mb": _memory(),
    }


def packages() -> list[dict[str, Any]]:
    """Every package of `PACKAGES`: its version, or None where it is missing, and the extra that brings it."""
    return [
        {"package": name, "installed": _version(name), "from": extra}
        for extra, names in PACKAGES.items()
        for name in names
    ]


def probe(name: str) -> dict[str, Any]:
    """What a probe finds, asked in a process of its own, since a broken library can take its process down.

    Returns name, works (bool), detail, and what fixes it (None where nothing has to be).
    """
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    command = [sys.executable, "-P", "-m", "dynast_deploy.commands.probes", name]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env={**os.environ, "PYTHONPATH": path},
        )
    except subprocess.TimeoutExpired:
        return _broken(name, f"gives no answer within {PATIENCE_S} s")
    try:
        # Libraries may print before it.
        return {"backend": name, **json.loads(done.stdout.splitlines()[-1])}
    except (ValueError, IndexError, TypeError):
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return _broken(name, f"ends its process with status {done.returncode} ({last})")


def _broken(name: str, detail: str) -> dict[str, Any]:
    return {"backend": name, "works": False, "detail": detail, "fix": reinstall(name)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """Model, and the instruction sets that matter here where Linux tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = dict(line.split(":", 1) for line in lines if ":" in line)
    values = {key.strip(): value.strip() for key, value in facts.items()}
    flags = values.get("flags", "").split()
    found = [flag for flag in _CPU_FLAGS if flag in flags]
    return f"{values.get('model name', platform.machine())} ({', '.join(found) or 'plain'})"


def _memory() -> float | None:
    """Physical memory in MB, where the system tells."""
    try:
        return megabytes(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None
