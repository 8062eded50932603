"""Dynamic sparse attention as native operators."""

from __future__ import annotations

from pathlib import Path

from dynast_deploy.plugins.bindings import library

__all__ = ["onnxruntime_library"]


def onnxruntime_library(device: str = "cpu") -> Path | None:
    """The library for `onnxruntime.SessionOptions.register_custom_ops_library`, or None where it is not built.

    It holds `dynast::InterScaleAttention`, `dynast::InnerScaleAttention` and `dynast::DenseAttention`, float32 and
    float16, and works with ONNX Runtime 1.21 and later. `python -m dynast_deploy.plugins.build` makes the one for the
    CPU; the one for `device` "cuda", `--cuda` makes it, has the operators for both.
    """
    return library.find(library.ONNXRUNTIME_GPU if device == "cuda" else library.ONNXRUNTIME)
