"""The C++ plugin library for TensorRT: compiled where its headers are, and what can be said without them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from dynast_deploy.plugins import gpu_kernels, tensorrt_plugin
from dynast_deploy.plugins.bindings import library
from dynast_deploy.plugins.native_build import cpu as build

FOLDER = library.FOLDER / "tensorrt"
VARIABLE = "DYNAST_TENSORRT_INCLUDE"
PLACES = ("/usr/include/x86_64-linux-gnu", "/usr/include/aarch64-linux-gnu", "/usr/local/tensorrt/include")


def test_it_compiles_against_tensorrts_headers(tmp_path: Path) -> None:
    chosen = os.environ.get(VARIABLE)
    folder = next((f for f in ((chosen,) if chosen else PLACES) if (Path(f) / "NvInfer.h").is_file()), None)
    if folder is None:
        pytest.skip(f"no NvInfer.h of TensorRT 10.9 or later; name its folder in {VARIABLE}")
    compiler = build.find_compiler()
    if compiler is None:
        pytest.skip("no C++ compiler")
    includes = [f"-I{library.FOLDER}", f"-I{library.FOLDER / 'include'}", "-isystem", folder]
    cuda = ["-isystem", "/usr/local/cuda/include"]
    options = ["-std=c++17", "-Wall", "-Wextra", "-Wno-unused-parameter", "-fPIC", "-c"]
    source = str(FOLDER / "attention_plugin.cpp")
    command = [*compiler, *options, *includes, *cuda, source, "-o", str(tmp_path / "plugin.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


def test_it_is_the_same_plugin_as_the_one_that_plans_carry() -> None:
    source = (FOLDER / "attention_plugin.cpp").read_text()
    assert f'kNamespace = "{tensorrt_plugin.NAMESPACE}"' in source
    assert 'kVersion = "1"' in source  # what quickly deployable plugins always are
    assert all(f'"{name}"' in source for name in tensorrt_plugin._NAMES.values())
    assert re.search(r"kTeams\[\] = \{([\d, ]+)\}", source)[1] == str(gpu_kernels.TEAMS)[1:-1]  # type: ignore[index]
    registered = re.findall(r'fields_\[\d\] = \{"(\w+)", nullptr', source)
    assert registered == ["query_width", "key_width", "top_k", "temperature"]


def test_its_build_names_sources_that_exist() -> None:
    described = (FOLDER / "CMakeLists.txt").read_text().replace("${plugins}", str(library.FOLDER))
    sources = re.search(r"SHARED ([^)]+)\)", described)
    assert sources is not None
    assert all((FOLDER / source).is_file() for source in sources[1].split())
