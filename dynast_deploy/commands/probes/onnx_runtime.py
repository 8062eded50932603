"""Probes of ONNX Runtime, on the CPU and on CUDA."""

from __future__ import annotations

from dynast_deploy.commands.probes import nvidia
from dynast_deploy.commands.probes.finding import Finding
from dynast_deploy.errors import DynastError


def onnxruntime_cpu() -> Finding:
    """ONNX Runtime on the CPU: its version and its execution providers."""
    from dynast_deploy.onnxruntime_session import import_onnxruntime

    try:
        onnxruntime = import_onnxruntime()
    except DynastError as error:
        return Finding(False, str(error))
    return Finding(True, f"{onnxruntime.__version__}, {', '.join(onnxruntime.get_available_providers())}")


def onnxruntime_cuda() -> Finding:
    """ONNX Runtime on an NVIDIA GPU: whether a session is made there.

    Raises:
        DynastError: Where ONNX Runtime makes no session.
    """
    from dynast_deploy.onnxruntime_session import CUDA, import_onnxruntime, make_session

    fix = "pip uninstall -y onnxruntime; pip install 'dynast-deploy[gpu]'"
    try:
        onnxruntime = import_onnxruntime()
    except DynastError as error:
        return Finding(False, str(error))
    if CUDA not in onnxruntime.get_available_providers():
        return Finding(False, f"the installed {onnxruntime.__version__} has no CUDA", fix)
    driver = nvidia.nvidia_driver()
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
    model: bytes = helper.make_model(graph, opset_imports=[opset], ir_version=8).SerializeToString()
    return model
