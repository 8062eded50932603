"""What may be imported when: everything without the optional packages, an engine without PyTorch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import ROOT
from tiny_engine import write_tiny_engine

PARTS = ("calib", "export", "plugins", "runtime")
OPTIONAL = (
    "torch", "onnxruntime", "onnxscript", "mediapipe", "skimage", "scipy", "tensorrt", "tensorrt_rtx", "pycuda", "cuda",
    "polygraphy", "pytest", "hypothesis",
)  # fmt: skip
"""Nothing of these is there after `pip install dynast-deploy` alone."""

MAY_NEED_TORCH = (
    "dynast_deploy.attention",
    "dynast_deploy.bench.",
    "dynast_deploy.calib.",
    "dynast_deploy.checkpoint",
    "dynast_deploy.data.",
    "dynast_deploy.formats.checkpoint_",
    "dynast_deploy.commands.inspect_checkpoint",
    "dynast_deploy.evaluation.",
    "dynast_deploy.export.",
    "dynast_deploy.generator",
    "dynast_deploy.layer_ops",
    "dynast_deploy.layers",
    "dynast_deploy.native_generator",
    "dynast_deploy.objective.",
    "dynast_deploy.bench.operators_gpu",
    "dynast_deploy.plugins.pyt.",
    "dynast_deploy.tasks.training_data",
    "dynast_deploy.training.",
)

BARE = f"""
import importlib, json, runpy, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""


def modules() -> dict[str, Path]:
    """Every module of the package: its installed name and its file."""
    files = {path.relative_to(ROOT): path for path in (ROOT / "dynast_deploy").rglob("*.py")}
    for part in PARTS:
        files |= {"dynast_deploy" / path.relative_to(ROOT): path for path in (ROOT / part).rglob("*.py")}
    names = {
        ".".join(place.with_suffix("").parts).removesuffix(".__init__"): path for place, path in files.items()
    }
    return dict(sorted(names.items()))


def programs() -> list[str]:
    """Modules that people start, all of which have a `--help`."""
    return [
        name
        for name, path in modules().items()
        if '__name__ == "__main__":' in path.read_text() and name != "dynast_deploy.commands.probes.__main__"
    ]


TRITON_MODEL = "dynast_deploy.export.triton.stream_model"
"""Written into a Triton repository; it runs in Triton's Python backend alone."""


def in_a_process(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_module_imports_without_the_optional_packages_unless_it_is_about_torch() -> None:
    code = f"""{BARE}
failed = {{}}
for name in {list(modules())}:
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = [type(error).__name__, str(error), getattr(error, "name", None)]
print(json.dumps(failed))
"""
    failed: dict[str, list[str]] = json.loads(in_a_process(code))
    assert "dynast_deploy.generator" in failed  # or nothing was kept from being imported
    kind, _, missing = failed.pop(TRITON_MODEL)
    assert (kind, missing) == ("ModuleNotFoundError", "triton_python_backend_utils")
    for name, (kind, message, missing) in failed.items():
        assert (kind, missing) == ("ModuleNotFoundError", "torch"), f"{name}: {kind}: {message}"
        assert f"{name}.".startswith(MAY_NEED_TORCH), f"{name} needs torch"


@pytest.mark.parametrize("name", programs())
def test_every_program_has_help_without_the_optional_packages(name: str) -> None:
    code = f"{BARE}\nsys.argv = [{name!r}, '--help']\nrunpy.run_module({name!r}, run_name='__main__')"
    assert "usage" in in_a_process(code).lower()


def test_an_engine_loads_and_renders_without_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    engine = write_tiny_engine(tmp_path)
    code = f"""
import sys
import numpy as np
import dynast_deploy.runtime
engine = dynast_deploy.runtime.load_engine({str(engine)!r}, threads=1)
exemplar = engine.encode_exemplar(np.zeros((1, 3, 32, 32), np.float32), np.zeros((1, 20, 32, 32), np.uint8))
print(engine.render(exemplar, np.zeros((2, 20, 32, 32), np.uint8)).shape, "torch" in sys.modules)
"""
    assert in_a_process(code).strip() == "(2, 3, 32, 32) False"


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "cv2", "av", "onnx", "onnxruntime", "typer", "rich")
    code = (
        f"import sys, dynast_deploy, dynast_deploy.runtime; print([n for n in {heavy} if n in sys.modules])"
    )
    assert in_a_process(code).strip() == "[]"
