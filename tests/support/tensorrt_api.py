"""TensorRT's interface, version by version: from its bindings, which pip brings without the libraries they bind.

`python tests/support/tensorrt_api.py` writes `data/tensorrt_names.json`: as much of it as our sources use, for machines
that reach no package index.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from checkout import DATA, NATIVE, ROOT
from tensorrt_interface import Api
from tensorrt_uses import Sources

NAMES = DATA / "tensorrt_names.json"
STUBS = [
    f"lib{name}.so.{major}" for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser") for major in (10, 11)
]
BINDINGS = {"10.9": "tensorrt_cu12_bindings==10.9.*", "11.4": "tensorrt_cu13_bindings==11.4.*"}
"""A mega-byte each. Two versions do not fit into one environment, so each gets a folder."""


class Missing(Exception):
    """What a machine lacks to get the bindings."""


RUNNING = ("runtime/trt", "runtime/cuda", "dynast_deploy/tensorrt_library.py")
"""What runs plans."""


def sources(
    places: tuple[str, ...] = (*RUNNING, "export", "plugins", "dynast_deploy/commands"),
) -> list[Path]:
    """Our files that have to do with TensorRT."""
    found = [(ROOT / place) for place in places]
    paths = [path for place in found for path in (sorted(place.rglob("*.py")) if place.is_dir() else [place])]
    return [path for path in paths if "tensorrt" in path.read_text().lower()]


def build_stubs(folder: Path) -> Path:
    """Libraries for the bindings to find, in `folder`. Raises Missing where there is no C compiler."""
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise Missing("no C compiler to make the stub libraries with")
    for name in STUBS:
        options = ["-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", str(folder / name)]
        subprocess.run([compiler, *options, str(NATIVE / "tensorrt_stub.c")], check=True)
    return folder


def install(version: str, folder: Path) -> None:
    """Put the bindings of a version into `folder`, unless they are there. Raises Missing where pip cannot get them."""
    if (folder / "tensorrt_bindings").is_dir():
        return
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += [
        "--disable-pip-version-check",
        "--retries=0",
        "--timeout=15",
        "--target",
        str(folder),
        BINDINGS[version],
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Missing(
            f"pip does not get {BINDINGS[version]}: {(done.stderr.splitlines() or ['no word'])[-1]}"
        )


def describe(module: str, environment: dict[str, str]) -> Api:
    """The interface of a module of bindings, asked in a process of its own."""
    done = subprocess.run(
        [sys.executable, str(NATIVE / "describe_tensorrt.py"), module],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    described: Api = json.loads(done.stdout.splitlines()[-1])
    return described


def describe_version(version: str, folder: Path, stubs: Path) -> Api:
    """The interface of a version, installed into `folder` if need be."""
    install(version, folder)
    return describe("tensorrt_bindings", {"PYTHONPATH": str(folder), "LD_LIBRARY_PATH": str(stubs)})


def recorded() -> dict[str, Api]:
    """What `data/tensorrt_names.json` has: of 10.9, 11.4 and "rtx"."""
    names: dict[str, Api] = json.loads(NAMES.read_text())
    return names


def main() -> None:
    """Needs tensorrt_rtx in this environment."""
    with tempfile.TemporaryDirectory() as name:
        stubs = build_stubs(Path(name))
        interfaces = {version: describe_version(version, Path(name) / version, stubs) for version in BINDINGS}
    interfaces["rtx"] = describe("tensorrt_rtx", {})
    kept = {}
    for version, interface in interfaces.items():
        ours = Sources(sources(), interface)
        ours.problems()
        kept[version] = ours.needed()
    NAMES.write_text(json.dumps(kept, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
