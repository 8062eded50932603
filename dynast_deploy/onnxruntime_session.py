"""ONNX Runtime: importing it, making sessions, and what it says of a file that it cannot run, in one line.

The one place that makes sessions. Which execution providers engines choose from: `runtime.onnxrt.provider`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.printable import cut, printable

CPU = "CPUExecutionProvider"
CUDA = "CUDAExecutionProvider"
DISTRIBUTIONS = (
    "onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino", "onnxruntime-directml", "onnxruntime-qnn",
)  # fmt: skip
"""Packages that install the module `onnxruntime`, each with other execution providers. Only one can be there."""
LONGEST = 240
"""Letters of a reason."""
WARNINGS_ARE_HIDDEN = 3
"""ONNX Runtime's severity from which it prints: errors. They are raised too, but some reasons are only printed."""
_VERSIONS = re.compile(r"model IR version|onnx opset version")
_PLACE_IN_ITS_SOURCES = re.compile(r"/onnxruntime_src/\S+ .*?\)(?: \[with [^]]*\])? ")

Provider = str | tuple[str, dict[str, str]]
"""An execution provider's name, or its name and its options."""


def import_onnxruntime(user: str = "running an .onnx engine") -> Any:
    """The module `onnxruntime`; `user` says in the message what needs it.

    Raises:
        DynastError: Where no package of it is installed, or two, or the one that is does not load; names the fix.
    """
    installed = [name for name in DISTRIBUTIONS if _is_installed(name)]
    if len(installed) > 1:
        raise DynastError(
            f"{' and '.join(installed)} are both installed and overwrite each other; keep one: "
            f"pip uninstall -y {' '.join(installed)}, then pip install onnxruntime (CPU) or onnxruntime-gpu (CUDA)"
        )
    try:
        import onnxruntime
    except ImportError as error:
        if installed:
            raise DynastError(
                f"{installed[0]} is installed but does not load ({error}); pip install --force-reinstall {installed[0]}"
            ) from error
        raise DynastError(
            f"{user} needs ONNX Runtime: pip install onnxruntime (CPU) or onnxruntime-gpu (CUDA), which the extras "
            "dynast-deploy[cpu] and dynast-deploy[gpu] bring along"
        ) from None
    return onnxruntime


def make_session(
    model: bytes | Path,
    *,
    providers: Sequence[Provider] = (CPU,),
    threads: int | None = None,
    operators: Path | None = None,
    optimize: bool = True,
    spin: bool = True,
    plan_memory: bool = True,
    settings: Mapping[str, str] | None = None,
    weights: Mapping[str, Any] | None = None,
    profile_prefix: str | None = None,
    onnxruntime: Any = None,
) -> Any:
    """An `onnxruntime.InferenceSession`.

    Args:
        model: A file, or the bytes of an ONNX model.
        providers: Execution providers; the first that can run a node does.
        threads: CPU threads of one operator; None for one a core.
        operators: A library of custom operators.
        optimize: Whether ONNX Runtime rewrites the graph for speed.
        spin: Whether threads wait for the next operator in a loop. That is faster on a machine that does nothing
            else, and much slower on one that does: next to one busy process on two cores, a frame took twice as long.
        plan_memory: Whether buffers are planned from the first run's sizes and held next to that run's own, which
            makes later runs of the same sizes faster and takes more memory.
        settings: Configuration entries of the session, as ONNX Runtime documents them.
        weights: OrtValues by the names of initializers that they stand for. They have to live as long as the session.
        profile_prefix: ONNX Runtime's profile is written to a file whose name starts so, when the session ends.
        onnxruntime: The module, where it was imported before.

    Raises:
        DynastError: Where ONNX Runtime is not installed. What ONNX Runtime raises for a model that it cannot run is
            not translated: see `refusing`.
    """
    onnxruntime = onnxruntime or import_onnxruntime()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = WARNINGS_ARE_HIDDEN
    if profile_prefix is not None:
        options.enable_profiling, options.profile_file_prefix = True, profile_prefix
    if threads is not None:
        options.intra_op_num_threads = threads
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if not spin:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = plan_memory
    for name, setting in (settings or {}).items():
        options.add_session_config_entry(name, setting)
    for name, value in (weights or {}).items():
        options.add_initializer(name, value)
    if operators is not None:
        options.register_custom_ops_library(str(operators))
    source = model if isinstance(model, bytes) else str(model)
    return onnxruntime.InferenceSession(source, options, list(providers))


@contextmanager
def refusing(source: str, what: str = "run this file") -> Iterator[None]:
    """Turn whatever ONNX Runtime raises inside into one class: its own classes have no base of their own.

    Raises:
        DynastError: Names `source`, `what` ONNX Runtime cannot do, and its reason.
    """
    try:
        yield
    except DynastError:
        raise
    except Exception as error:
        raise DynastError(refusal(source, error, what)) from error


def refusal(source: str, error: Exception, what: str = "run this file") -> str:
    """The message for what ONNX Runtime raised; see `refusing`."""
    said = reason(error)
    fix = "; if it is of a newer ONNX than this ONNX Runtime: pip install --upgrade onnxruntime"
    return f"{source}: ONNX Runtime cannot {what} ({said}){fix if _VERSIONS.search(said) else ''}"


def reason(error: Exception) -> str:
    """A message in one line of at most `LONGEST` letters, without the place in ONNX Runtime's sources."""
    return cut(
        printable(_PLACE_IN_ITS_SOURCES.sub("", printable(str(error)))) or type(error).__name__, LONGEST
    )


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True
