"""The TensorRT plugin's Python code, run against TensorRT's bindings without TensorRT's libraries.

The bindings may be those of this Python (`pip install tensorrt_cu13_bindings`), and those of other interpreters that
the environment variable DYNAST_TENSORRT_PYTHON names, separated by colons, to try several versions.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from checkout import NATIVE, ROOT

from dynast_deploy.plugins import gpu_kernels
from dynast_deploy.plugins.bindings import library

STUBS = [
    f"lib{name}.so.{major}" for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser") for major in (10, 11)
]


def layer(
    scale: str, dtype: str, tactic: int, frames: int, exemplars: int, query: tuple[int, int]
) -> dict[str, Any]:
    queries, keys, channels = query[0] * query[1], 32 * 30, (80, 16, 64)
    return {
        "operator": {"inter": "InterScaleAttention", "inner": "InnerScaleAttention"}[scale],
        "dtype": dtype,
        "tactic": tactic,
        "shapes": [
            [frames, queries, channels[0]],
            [frames, queries, channels[1]],
            *([exemplars, keys, n] for n in channels),
            [frames, queries // (4 if scale == "inter" else 1), 6],
        ],
        "attributes": {"query_width": query[1], "key_width": 30, "top_k": 4, "temperature": 0.01},
    }


LAYERS = [
    layer("inner", "float32", 16, 1, 1, (64, 64)),
    layer("inner", "float16", 32, 3, 1, (13, 39)),
    layer("inner", "bfloat16", 0, 2, 2, (2, 1)),
    layer("inter", "float32", 8, 2, 2, (10, 6)),
    layer("inter", "float16", 8, 5, 1, (256, 192)),
]


@pytest.fixture(scope="session")
def stub_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler to make the stub libraries with")
    folder = tmp_path_factory.mktemp("tensorrt")
    for name in STUBS:
        options = ["-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", str(folder / name)]
        subprocess.run([compiler, *options, str(NATIVE / "tensorrt_stub.c")], check=True)
    return folder


@pytest.fixture(
    scope="session",
    params=[sys.executable, *filter(None, os.environ.get("DYNAST_TENSORRT_PYTHON", "").split(":"))],
)
def driven(request: pytest.FixtureRequest, stub_folder: Path) -> list[dict[str, Any]]:
    """What the plugin gave for each of LAYERS."""
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": f"{stub_folder}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "PYTHONPATH": str(ROOT),
    }
    for module in ("tensorrt", "tensorrt_bindings"):
        if not subprocess.run(
            [request.param, "-c", f"import {module}"], env=environment, capture_output=True
        ).returncode:
            break
    else:
        pytest.skip(f"{request.param} has no TensorRT bindings")
    done = subprocess.run(
        [request.param, str(NATIVE / "drive_tensorrt_plugin.py")],
        env=environment,
        input=json.dumps(LAYERS),
        capture_output=True,
        text=True,
        check=False,
    )
    if "no compiler for the GPU kernels" in done.stderr:
        pytest.skip("neither NVRTC nor nvcc to compile the kernels with")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout[done.stdout.index("{") :])
    print("TensorRT", result["version"])
    layers: list[dict[str, Any]] = result["layers"]
    return layers


def test_outputs_have_the_shapes_and_types_of_the_onnx_operators(driven: list[dict[str, Any]]) -> None:
    types = {"float32": "FLOAT", "float16": "HALF", "bfloat16": "BF16"}
    for given, result in zip(LAYERS, driven, strict=True):
        frames, queries, _ = given["shapes"][0]
        kind = types[given["dtype"]]
        assert result["outputs"] == [
            [[frames, queries, 64], kind],
            [[frames, queries, 1], kind],
            [[frames, queries, 4], "INT32"],
        ]


def test_launches_cover_every_query(driven: list[dict[str, Any]]) -> None:
    for given, result in zip(LAYERS, driven, strict=True):
        frames, queries, _ = given["shapes"][0]
        width = given["attributes"]["query_width"]
        team = given["tactic"] or 32
        blocks = gpu_kernels.block_count(frames, queries // width, width, team)
        assert result["launch"] == [blocks, 1, 1, 128, 1, 1, 0]
        assert blocks * 128 // team >= frames * queries


def test_arguments_are_the_kernels_parameters_in_order(driven: list[dict[str, Any]]) -> None:
    for given, result in zip(LAYERS, driven, strict=True):
        (frames, queries, c), (_, _, p), (exemplars, keys, _), _, (_, _, v), (_, _, k) = given["shapes"]
        query_width = given["attributes"]["query_width"]
        assert result["arguments"] == [
            *(frames, exemplars, queries // query_width, query_width, keys // 30, 30, c, p, v, k, 4),
            gpu_kernels.float_bits(0.01),
        ]
        assert set(result["types"]) == {"SymInt32"}
        assert result["parameters"] == [*[".u64"] * 6, *[".u32"] * 12, *[".u64"] * 3]


def test_the_plan_gets_one_kernel_under_the_name_that_is_launched(driven: list[dict[str, Any]]) -> None:
    for given, result in zip(LAYERS, driven, strict=True):
        assert result["entries"] == 1
        assert result["entry"] == result["kernel"]
        scale = "inner" if given["operator"].startswith("Inner") else "inter"
        kind = {"float32": "float", "float16": "half", "bfloat16": "bfloat"}[given["dtype"]]
        assert result["kernel"] == gpu_kernels.kernel_name(scale, kind, given["tactic"] or 32)


def test_tactics_are_teams_that_can_keep_all_candidates(driven: list[dict[str, Any]]) -> None:
    for given, result in zip(LAYERS, driven, strict=True):
        candidates = 6 * (5 if given["operator"].startswith("Inner") else 4)
        expected = [team for team in gpu_kernels.TEAMS if 3 * team >= candidates]
        assert result["tactics"] == [expected] * 3


def test_annotations_stay_types() -> None:
    tree = ast.parse((library.FOLDER / "tensorrt_plugin.py").read_text())
    imports = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert "__future__" not in imports


def test_importing_the_plugin_does_not_import_tensorrt() -> None:
    program = "import sys, dynast_deploy.plugins.tensorrt_plugin; print('tensorrt' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
