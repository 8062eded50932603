"""Running engines: TensorRT, ONNX Runtime and PyTorch behind one interface, the video pipeline, `dynast-run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind, kind_of

if TYPE_CHECKING:
    from dynast_deploy.runtime.engine import EncodedExemplar, Engine, EngineInfo

__all__ = ["EncodedExemplar", "Engine", "EngineInfo", "load_engine"]


def load_engine(path: str | os.PathLike[str], device: str = "auto", threads: int | None = None) -> Engine:
    """The engine in a file, whatever its name: a plan runs on TensorRT, an ONNX file on ONNX Runtime, a checkpoint on
    PyTorch.

    `device` is "auto", "cpu" or "cuda"; `threads` bounds the CPU threads of one operator, where it runs on CPUs. Raises
    DynastError if the file is missing, damaged or of another kind, or if what it needs to run is not installed.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind is FileKind.PLAN:
        from dynast_deploy.runtime.trt.engine import TensorRTEngine

        return TensorRTEngine(path, device)
    if kind is FileKind.ONNX:
        from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

        return OnnxRuntimeEngine(path, device, threads)
    if kind.is_checkpoint:
        from dynast_deploy.runtime.pyt.engine import TorchEngine

        return TorchEngine(path, device, threads)
    raise DynastError(
        f"{path}: a zip archive, but not an engine this version runs; it takes ONNX files (from dynast export), "
        "plans (from dynast build-engine) and checkpoints"
    )


def __getattr__(name: str) -> type:
    if name in ("EncodedExemplar", "Engine", "EngineInfo"):
        from dynast_deploy.runtime import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
