"""What works on this machine. `python -m dynast_deploy.commands.probes NAME` asks one question and prints JSON."""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from dynast_deploy.broken_package import MENDS, broken_package
from dynast_deploy.commands.show import megabytes
from dynast_deploy.errors import DynastError


@dataclass(frozen=True)
class Finding:
    """works: whether it can be used here; detail: with what, or why not; fix: what to do about it, or None."""

    works: bool
    detail: str
    fix: str | None = None


def onnxruntime_cpu() -> Finding:
    from dynast_deploy.onnxruntime_session import import_onnxruntime

    try:
        onnxruntime = import_onnxruntime()
    except DynastError as error:
        return Finding(False, str(error))
    return Finding(True, f"{onnxruntime.__version__}, {', '.join(onnxruntime.get_available_providers())}")


def onnxruntime_cuda() -> Finding:
    from dynast_deploy.onnxruntime_session import CUDA, import_onnxruntime, make_session

    fix = "pip uninstall -y onnxruntime; pip install 'dynast-deploy[gpu]'"
    try:
        onnxruntime = import_onnxruntime()
    except DynastError as error:
        return Finding(False, str(error))
    if CUDA not in onnxruntime.get_available_providers():
        return Finding(False, f"the installed {onnxruntime.__version__} has no CUDA", fix)
    driver = nvidia_driver()
    if not driver.works:
        return Finding(False, f"the NVIDIA driver: {driver.detail}", driver.fix)
    # The provider is listed wherever it is installed; whether its CUDA and cuDNN load shows only in a session.
    session = make_session(_identity_model(), providers=[CUDA], onnxruntime=onnxruntime)
    if CUDA not in session.get_providers():
        needs = "install the CUDA and cuDNN that this release of onnxruntime-gpu was built for"
        return Finding(False, f"{onnxruntime.__version__} falls back to the CPU", needs)
    return Finding(True, f"{onnxruntime.__version__}, {driver.detail}")


def _identity_model() -> bytes:
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "identity", value[:1], value[1:])
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()


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


def pytorch() -> Finding:
    torch = _imported("torch", "export")
    if isinstance(torch, Finding):
        return torch
    cuda = (
        f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}"
        if torch.cuda.is_available()
        else "no CUDA"
    )
    return Finding(True, f"{torch.__version__}, {cuda}")


def tensorrt() -> Finding:
    return _plan_library("tensorrt", "trt", "10.9")


def tensorrt_rtx() -> Finding:
    return _plan_library("tensorrt_rtx", "rtx", "1.7")


def _plan_library(name: str, extra: str, oldest: str) -> Finding:
    """A library that runs plans: its version, and whether it starts. Its own fault may end this process."""
    module = _imported(name, extra)
    if isinstance(module, Finding):
        return module
    version = module.__version__
    if [int(part) for part in version.split(".")[:2]] < [int(part) for part in oldest.split(".")]:
        return Finding(False, f"{version} is older than {oldest}", f"pip install -U '{name}>={oldest}'")
    driver = nvidia_driver()
    if not driver.works:
        builds = "; builds plans all the same" if name == "tensorrt_rtx" else ""
        return Finding(
            bool(builds), f"{version} is installed, the driver: {driver.detail}{builds}", driver.fix
        )
    try:
        module.Runtime(module.Logger())
    except TypeError:  # what the bindings make of a null pointer
        needs = f"update the driver, or install a {name} that was made for its CUDA"
        return Finding(False, f"{version} does not start with this driver, {driver.detail}", needs)
    return Finding(True, f"{version}, {driver.detail}")


def pycuda() -> Finding:
    """pycuda as plans need it: a context, memory and a stream on the first GPU."""
    driver = _imported("pycuda.driver", "trt")
    if isinstance(driver, Finding):
        return driver
    nvidia = nvidia_driver()
    if not nvidia.works:
        return Finding(False, f"installed, the driver: {nvidia.detail}", nvidia.fix)
    from dynast_deploy.runtime.cuda.device import close_gpus, open_gpu

    gpu = open_gpu()
    free, total = gpu.memory()
    close_gpus()
    built = ".".join(map(str, driver.get_version()))
    return Finding(
        True,
        f"built for CUDA {built}, {gpu.name}, compute capability {gpu.compute_capability}, "
        f"{megabytes(free):.0f} of {megabytes(total):.0f} MB free",
    )


def cuda_graphs() -> Finding:
    """`cuda.bindings`, without which plans run, somewhat slower."""
    bindings = _imported("cuda.bindings.driver", "trt")
    if isinstance(bindings, Finding):
        return Finding(False, f"{bindings.detail}; plans run without CUDA graphs", bindings.fix)
    driver = nvidia_driver()
    if not driver.works:
        return Finding(False, f"installed, the driver: {driver.detail}", driver.fix)
    from dynast_deploy.runtime.cuda.device import DeviceResources, close_gpus, open_gpu

    resources = DeviceResources(open_gpu())
    with resources.close_on_error():
        resources.keep(resources.stream().capture(lambda: None).free)
    close_gpus()
    return Finding(True, "a graph was captured on a stream of pycuda")


def nvidia_driver() -> Finding:
    """The driver and its first GPU, asked through the driver's own library."""
    fix = "on a machine with an NVIDIA GPU, install its driver"
    try:
        cuda = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError as error:
        return Finding(False, f"not installed ({error})", fix)
    if status := cuda.cuInit(0):
        return Finding(False, f"installed, but does not start (error {status} of cuInit)", fix)
    number, count, name = ctypes.c_int(), ctypes.c_int(), ctypes.create_string_buffer(256)
    cuda.cuDriverGetVersion(ctypes.byref(number))
    cuda.cuDeviceGetCount(ctypes.byref(count))
    if not count.value:
        return Finding(False, "installed, but finds no GPU", fix)
    cuda.cuDeviceGetName(name, len(name), 0)
    return Finding(
        True,
        f"CUDA {number.value // 1000}.{number.value % 1000 // 10}, {count.value} GPUs, the first {name.value.decode()}",
    )


def mediapipe_models() -> Finding:
    """MediaPipe's networks for poses and faces: found, whole, and loaded by ONNX Runtime."""
    from dynast_deploy.keypoints.mediapipe_face import FACE_NETWORKS
    from dynast_deploy.keypoints.mediapipe_models import FETCH_COMMAND, find_models, open_network
    from dynast_deploy.keypoints.mediapipe_pose import POSE_NETWORKS

    places = {}
    for kind, networks in (("poses", POSE_NETWORKS), ("faces", FACE_NETWORKS)):
        path = places[kind] = find_models(networks)
        if path is None:
            return Finding(
                False, f"no networks for {kind}; {kind} come from files or a model of yours", FETCH_COMMAND
            )
        try:
            for network in networks:
                open_network(path, network)
        except DynastError as error:
            return Finding(False, str(error), FETCH_COMMAND)
    return Finding(True, ", ".join(f"{kind}: {path}" for kind, path in places.items()))


def video() -> Finding:
    """Encoders of the formats that are written."""
    av = _imported("av", None)
    if isinstance(av, Finding):
        return av
    wanted = ("libx264", "aac", "libvpx-vp9", "libopus")
    lacking = [name for name in wanted if name not in av.codecs_available]
    if lacking:
        return Finding(
            False, f"PyAV {av.__version__} lacks {', '.join(lacking)}", "pip install --force-reinstall av"
        )
    return Finding(True, f"PyAV {av.__version__}, {', '.join(wanted)}")


def opencv() -> Finding:
    cv2 = _imported("cv2", None)
    return cv2 if isinstance(cv2, Finding) else Finding(True, cv2.__version__)


def onnx() -> Finding:
    onnx = _imported("onnx", None)
    if isinstance(onnx, Finding):
        return onnx
    protobuf = importlib.import_module("google.protobuf")
    return Finding(True, f"{onnx.__version__}, protobuf {protobuf.__version__}")


def _imported(name: str, extra: str | None) -> Any:
    """The module, or the finding that it is not there."""
    install = f"pip install 'dynast-deploy[{extra}]'" if extra else "pip install dynast-deploy"
    package = name.split(".")[0]
    again = MENDS.get(package, f"{install} --force-reinstall")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == package:
            return Finding(False, "not installed", install)
        return Finding(False, f"does not import: {error}", again)
    except ImportError as error:
        return Finding(False, f"is installed, but does not load: {error}", again)
    except Exception as error:  # whatever a library raises while it is imported
        return Finding(False, f"does not import: {type(error).__name__}: {error}", again)


PROBES: dict[str, Callable[[], Finding]] = {
    "ONNX": onnx,
    "ONNX Runtime": onnxruntime_cpu,
    "ONNX Runtime, CUDA": onnxruntime_cuda,
    "ONNX Runtime, native attention": onnxruntime_attention,
    "PyTorch": pytorch,
    "PyTorch, native attention": pytorch_attention,
    "native attention on a GPU": gpu_attention,
    "NVIDIA driver": nvidia_driver,
    "TensorRT": tensorrt,
    "TensorRT-RTX": tensorrt_rtx,
    "PyCUDA": pycuda,
    "CUDA graphs": cuda_graphs,
    "MediaPipe's networks": mediapipe_models,
    "video encoders": video,
    "OpenCV": opencv,
}
"""By the name under which `dynast doctor` shows them."""

PACKAGES_BEHIND = {
    "ONNX": "onnx",
    "PyTorch": "torch",
    "TensorRT": "tensorrt",
    "TensorRT-RTX": "tensorrt_rtx",
    "PyCUDA": "pycuda",
    "CUDA graphs": "cuda-bindings",
    "video encoders": "av",
    "OpenCV": "opencv-python-headless",
}
"""What to install again where a probe dies; ONNX Runtime stands for those that are not here."""


def reinstall(name: str) -> str:
    """The command that installs again what the probe `name` asks after."""
    return f"pip install --force-reinstall {PACKAGES_BEHIND.get(name, 'onnxruntime')}"


def main() -> None:
    """Answer the probe named on the command line; a fault of whatever kind is an answer too."""
    try:
        finding = PROBES[sys.argv[1]]()
    except Exception as error:
        broken = broken_package(error)
        finding = (
            Finding(False, broken.detail, broken.fix)
            if broken
            else Finding(False, f"does not work: {type(error).__name__}: {error}", reinstall(sys.argv[1]))
        )
    print(json.dumps(asdict(finding)))


if __name__ == "__main__":
    main()
