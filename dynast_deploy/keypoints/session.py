"""ONNX Runtime sessions of estimators: on the GPU where there is one, on the CPU otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.onnxruntime_session import CPU, CUDA, import_onnxruntime, make_session, refusing


def open_session(model: Path | bytes, source: str) -> Any:
    """The session of a model: a file, or an ONNX model's bytes.

    Raises:
        DynastError: Names `source`, where the file or ONNX Runtime is missing, or it cannot load the model.
    """
    onnxruntime = import_onnxruntime("a pose model")
    if isinstance(model, Path) and not model.is_file():
        raise DynastError(f"{source}: no such pose model")
    providers = [name for name in (CUDA, CPU) if name in onnxruntime.get_available_providers()]
    with refusing(source, "load this pose model"):
        session = make_session(model, providers=providers)
        # Names that are not UTF-8 show only when they are asked for.
        [each.name for each in (*session.get_inputs(), *session.get_outputs())]
    return session
