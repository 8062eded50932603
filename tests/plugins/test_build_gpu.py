"""The libraries that nvcc makes, without a GPU: built, assembled for every architecture, launched as computed."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dynast_deploy.bench import operators as bench
from dynast_deploy.bench.attention_case import AttentionCase
from dynast_deploy.errors import DynastError
from dynast_deploy.plugins import build as program
from dynast_deploy.plugins.bindings import library, native_gpu
from dynast_deploy.plugins.native_build import cpu as build
from dynast_deploy.plugins.native_build import gpu as build_gpu

needs_nvcc = pytest.mark.skipif(build_gpu.find_nvcc() is None, reason="no nvcc to compile the kernels with")
EVERY = "DYNAST_EVERY_CAPABILITY"
KERNELS = 27
"""Three storage types of 3 forward and 2 backward kernels, 2 that sum by key and a dense one; 3 of the sort."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The libraries, and the kernels' PTX next to them; without machine code, which takes the longest."""
    if build_gpu.find_nvcc() is None or build.find_compiler() is None:
        pytest.skip("no nvcc or no C++ compiler to build the libraries with")
    folder = tmp_path_factory.mktemp("gpu")
    options = ["-gencode=arch=compute_75,code=compute_75", "-keep", f"-keep-dir={folder}"]
    lines = build_gpu.build_gpu(folder, options=options)
    assert f"built {folder / library.file_name(library.GPU)}" in lines
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("capability", build_gpu.CAPABILITIES)
def test_every_kernel_assembles_without_spills(built: Path, capability: str, tmp_path: Path) -> None:
    if capability != "90" and os.environ.get(EVERY) != "1":
        pytest.skip(f"ten seconds and more for each capability; {EVERY}=1 has them all")
    if shutil.which("ptxas") is None:
        pytest.skip("no ptxas to assemble the kernels with")
    (ptx,) = built.glob("launch*.ptx")
    command = ["ptxas", "-v", f"-arch=sm_{capability}", str(ptx), "-o", str(tmp_path / "kernels.cubin")]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    names = re.findall(r"Compiling entry function '(\w+)'", printed)
    frames = re.findall(
        r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", printed
    )
    registers = [int(number) for number in re.findall(r"Used (\d+) registers", printed)]
    shared = [int(number) for number in re.findall(r"(\d+) bytes smem", printed)]
    for name, count in zip(names, registers, strict=True):
        print(f"sm_{capability} {count:4d} registers {name}")
    assert len(frames) == len(registers) == KERNELS
    assert set(frames) == {("0", "0", "0")}
    assert max(registers) <= 128
    assert max(shared) <= 48 * 1024


def test_the_library_exports_its_entry_points_and_hides_the_cuda_runtime(built: Path) -> None:
    path = built / library.file_name(library.GPU)
    assert library._identifier(path) == library.source_id(library.GPU)
    loaded = ctypes.CDLL(str(path))
    for name in ("forward", "dense", "backward", "backward_workspace", "forward_launch", "dense_launch"):
        assert getattr(loaded, f"dynast_gpu_{name}")
    exported = subprocess.run(["nm", "-D", "--defined-only", str(path)], capture_output=True, text=True)
    if exported.returncode == 0:
        names = {line.split()[-1] for line in exported.stdout.splitlines()}
        assert {name for name in names if name.lower().startswith(("cuda", "cu"))} == set()


def test_launches_without_a_gpu_are_an_error_of_one_line(
    built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("here is a GPU")
    loaded = ctypes.CDLL(str(built / library.file_name(library.GPU)))
    monkeypatch.setattr(library, "load_gpu", lambda: loaded)
    problem = native_gpu.Problem(1, 1, 1, 4, 4, 4, 4, 16, 4, 16, 0, 4, 4, 0, 0.1)
    assert native_gpu.forward_launch(problem, native_gpu.Storage.FLOAT32) == (8, (1, 1, 1, 128))
    with pytest.raises(DynastError, match="CUDA driver|no CUDA-capable device"):
        native_gpu.forward(problem, native_gpu.Forward(), native_gpu.Storage.FLOAT32, stream=0)


def test_machine_code_is_made_for_what_the_compiler_knows() -> None:
    known = {"75", "80", "90", "100"}
    assert build_gpu.code_options(["80", "75"], known) == [
        "-gencode=arch=compute_75,code=sm_75",
        "-gencode=arch=compute_80,code=sm_80",
        "-gencode=arch=compute_80,code=compute_80",
    ]
    newer = build_gpu.code_options(["120"], known)
    assert newer == ["-gencode=arch=compute_100,code=sm_100", "-gencode=arch=compute_100,code=compute_100"]
    with pytest.raises(DynastError, match="none of the compute capabilities 61"):
        build_gpu.code_options(["61"], known)


@needs_nvcc
def test_the_compiler_tells_its_architectures_and_its_runtime() -> None:
    nvcc = build_gpu.find_nvcc()
    assert nvcc is not None
    assert set(build_gpu.CAPABILITIES) & build_gpu.known_capabilities(nvcc)
    assert "-lcudart_static" in build_gpu.link_options(nvcc)


def test_without_nvcc_the_build_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NVCC", "no-such-nvcc")
    with pytest.raises(SystemExit) as stopped:
        program.main(["--cuda", "--output", str(tmp_path)])
    assert stopped.value.code == 2
    assert "no nvcc was found" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("scale", ["inner", "inter", "dense"])
def test_the_onnx_runtime_library_with_cuda_operators_runs_without_cuda(built: Path, scale: str) -> None:
    path = built / library.file_name(library.ONNXRUNTIME_GPU)
    if not path.exists():
        pytest.skip("no headers of ONNX Runtime to build the operators with")
    pytest.importorskip("onnxruntime")
    case = AttentionCase(scale, 8, 20, 4, 16, "float32", False, threads=1)
    attended, plain = (
        run()[0]  # type: ignore[index]
        for run in (bench._onnxruntime(case, path), bench._torch(case, "reference"))
    )
    np.testing.assert_allclose(attended, plain, atol=1e-4)
