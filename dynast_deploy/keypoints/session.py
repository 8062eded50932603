"""ONNX Runtime sessions of estimators: on the GPU where there is one, on the CPU otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.printable import printable


def open_session(model: Path | bytes, source: str) -> Any:
    """The session of a model: a file, or an ONNX model's bytes.

    Raises DynastError, naming `source`, where the file or ONNX Runtime is missing, or it cannot load the model.
    """
    try:
        import onnxruntime
    except ImportError:
        raise DynastError(
            "a pose model needs ONNX Runtime: pip install 'dynast-deploy[cpu]' or 'dynast-deploy[gpu]'"
        ) from None
    if isinstance(model, Path) and not model.is_file():
        raise DynastError(f"{source}: no such pose model")
    wanted = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # what matters is raised, and said in one line
    try:
        session = onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model), options, providers=providers
        )
        # Names that are not UTF-8 show only when they are asked for.
        [each.name for each in (*session.get_inputs(), *session.get_outputs())]
        return session
    except Exception as error:  # its exception classes share no base of their own
        raise DynastError(
            f"{source}: ONNX Runtime cannot load this pose model: {printable(str(error))}"
        ) from None
