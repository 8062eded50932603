"""Running engines: TensorRT, ONNX Runtime and PyTorch behind one interface, the video pipeline, `dynast-run`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynast_deploy.runtime.backends import load

if TYPE_CHECKING:
    from dynast_deploy.runtime.engine import EncodedExemplar, Engine, EngineInfo

__all__ = ["EncodedExemplar", "Engine", "EngineInfo", "load_engine"]


def load_engine(path: str | os.PathLike[str], device: str = "auto", threads: int | None = None) -> Engine:
    """The engine in a file, whatever its name: a plan runs on TensorRT, an ONNX file on ONNX Runtime, a checkpoint on
    PyTorch.

    Args:
        path: The file.
        device: "auto", "cpu", "cuda" or another device of `onnxrt.provider.PROVIDERS`.
        threads: The CPU threads of one operator, where it runs on CPUs; None for all cores.

    Returns:
        An engine to close after use, or to use as a context manager.

    Raises:
        DynastError: Where the file is missing, damaged or of another kind, where there is no such device, or where
            what the engine needs to run is not installed.
    """
    return load(Path(path), device, threads)


def __getattr__(name: str) -> Any:
    if name in ("EncodedExemplar", "Engine", "EngineInfo"):
        from dynast_deploy.runtime import engine

        return getattr(engine, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
