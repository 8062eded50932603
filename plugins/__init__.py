"""Dynamic sparse attention as native operators."""

from __future__ import annotations

from pathlib import Path

from dynast_deploy.plugins import library

__all__ = ["onnxruntime_library"]


def onnxruntime_library() -> Path | None:
    """The library for `onnxruntime.SessionOptions.register_custom_ops_library`, or None where it is not built.

    It holds `dynast::InterScaleAttention` and `dynast::InnerScaleAttention` for the CPU, float32 and float16, and
    works with ONNX Runtime 1.21 and later. `python -m dynast_deploy.plugins.build` makes it.
    """
    return library.find(library.ONNXRUNTIME)
