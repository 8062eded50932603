"""Probes of the native attention operators: found, built from the sources at hand, and loaded."""

from __future__ import annotations

from dynast_deploy.commands.probes.finding import Finding
from dynast_deploy.errors import DynastError


def onnxruntime_attention() -> Finding:
    """The native operators: found, built from the sources at hand, and accepted by ONNX Runtime."""
    from dynast_deploy.onnxruntime_session import import_onnxruntime
    from dynast_deploy.plugins.bindings import library
    from dynast_deploy.runtime.onnxrt.native_operators import find_operators

    path = library.find(library.ONNXRUNTIME)
    if path is None:
        return _not_built(library.ONNXRUNTIME)
    try:
        found = find_operators(import_onnxruntime())
    except DynastError:
        return Finding(False, f"{path} is there, ONNX Runtime is not", "pip install 'dynast-deploy[cpu]'")
    return Finding(found.path is not None, found.problem or str(path), found.fix or None)


def pytorch_attention() -> Finding:
    """The kernels that training runs: found, built from the sources at hand, and loaded."""
    from dynast_deploy.plugins.bindings import library, native

    path = library.find(library.CPU)
    if path is None:
        return _not_built(library.CPU)
    if not native.available():
        return Finding(False, f"{path} does not load", library.BUILD_COMMAND)
    return Finding(True, f"{path}, {native.variant()} instructions")


def gpu_attention() -> Finding:
    """The libraries for PyTorch and for ONNX Runtime on a GPU: found, and built from the sources at hand."""
    from dynast_deploy.plugins.bindings import library, native_gpu
    from dynast_deploy.plugins.native_build import gpu as build_gpu

    names = {"PyTorch": library.GPU, "ONNX Runtime": library.ONNXRUNTIME_GPU}
    found = [f"{user}: {path}" for user, name in names.items() if (path := library.find(name))]
    if len(found) == len(names):
        return Finding(True, ", ".join(found))
    nvcc = build_gpu.find_nvcc()
    fix = native_gpu.BUILD_COMMAND if nvcc else f"install CUDA's nvcc, then: {native_gpu.BUILD_COMMAND}"
    there = f"only for {found[0]}" if found else "not built, of use with an NVIDIA GPU only"
    return Finding(False, there, fix)


def _not_built(name: str) -> Finding:
    from dynast_deploy.plugins.bindings import library
    from dynast_deploy.plugins.native_build import cpu as build

    detail = library.why_not_found(name)
    compiler = "" if build.find_compiler() else "install g++ or clang++, then: "
    return Finding(False, f"{detail}; attention runs without it, slower", compiler + library.BUILD_COMMAND)
