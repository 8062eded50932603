"""What works on this machine. `python -m dynast_deploy.commands.probes NAME` asks one question and prints JSON."""

from __future__ import annotations

from collections.abc import Callable

from dynast_deploy.commands.probes import models, native_attention, nvidia, onnx_runtime, packages
from dynast_deploy.commands.probes.finding import Finding

PROBES: dict[str, Callable[[], Finding]] = {
    "ONNX": packages.onnx,
    "ONNX Runtime": onnx_runtime.onnxruntime_cpu,
    "ONNX Runtime, CUDA": onnx_runtime.onnxruntime_cuda,
    "ONNX Runtime, native attention": native_attention.onnxruntime_attention,
    "PyTorch": packages.pytorch,
    "PyTorch, native attention": native_attention.pytorch_attention,
    "native attention on a GPU": native_attention.gpu_attention,
    "NVIDIA driver": nvidia.nvidia_driver,
    "TensorRT": nvidia.tensorrt,
    "TensorRT-RTX": nvidia.tensorrt_rtx,
    "PyCUDA": nvidia.pycuda,
    "CUDA graphs": nvidia.cuda_graphs,
    "MediaPipe's networks": models.mediapipe_models,
    "video encoders": packages.video,
    "OpenCV": packages.opencv,
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
