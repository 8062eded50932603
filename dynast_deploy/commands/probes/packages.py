"""Probes of packages that need no more than to be imported: PyTorch, ONNX, OpenCV, PyAV."""

from __future__ import annotations

import importlib

from dynast_deploy.commands.probes.finding import Finding, imported


def pytorch() -> Finding:
    """PyTorch: its version, and its GPU."""
    torch = imported("torch", "export")
    if isinstance(torch, Finding):
        return torch
    cuda = (
        f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}"
        if torch.cuda.is_available()
        else "no CUDA"
    )
    return Finding(True, f"{torch.__version__}, {cuda}")


def video() -> Finding:
    """Encoders of the formats that are written."""
    av = imported("av", None)
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
    """OpenCV: its version."""
    cv2 = imported("cv2", None)
    return cv2 if isinstance(cv2, Finding) else Finding(True, cv2.__version__)


def onnx() -> Finding:
    """The package onnx: its version and that of protobuf."""
    onnx = imported("onnx", None)
    if isinstance(onnx, Finding):
        return onnx
    protobuf = importlib.import_module("google.protobuf")
    return Finding(True, f"{onnx.__version__}, protobuf {protobuf.__version__}")
