"""The library that builds plans, TensorRT or TensorRT-RTX, and what it says while it does."""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.plan_file import PlanKind

OLDEST = (10, 9)
"""The first TensorRT whose plugins are compiled into the plan ahead of time."""

_INSTALL = {
    PlanKind.TENSORRT: (
        "tensorrt",
        "pip install 'dynast-deploy[trt]'; or build for RTX cards with --rtx, which needs no GPU",
    ),
    PlanKind.TENSORRT_RTX: ("tensorrt_rtx", "pip install 'dynast-deploy[rtx]'"),
}


def load_library(kind: PlanKind) -> Any:
    """The module; DynastError with the command that installs it where it is missing, broken or too old."""
    name, command = _INSTALL[kind]
    try:
        library = importlib.import_module(name)
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name == name:
            raise DynastError(f"building a plan needs {kind.library}: {command}") from None
        raise DynastError(f"{kind.library} is installed but does not load ({error}); {command}") from error
    if kind is PlanKind.TENSORRT and version_numbers(library.__version__) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise DynastError(
            f"TensorRT {library.__version__} is installed, and {oldest} or later is needed: "
            f"pip install -U 'tensorrt>={oldest}'"
        )
    return library


def version_numbers(version: str) -> tuple[int, ...]:
    """Major and minor version: "10.9.0.34" -> (10, 9)."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2])


def make_log(library: Any, verbose: bool) -> Any:
    """A `library.ILogger` that keeps `errors` to be reported, and prints the rest to standard error if `verbose`.

    Warnings are no exception: there is one for every node of the attention functions that is used twice.
    """

    class Log(library.ILogger):
        def __init__(self) -> None:
            library.ILogger.__init__(self)
            self.errors: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (library.ILogger.Severity.ERROR, library.ILogger.Severity.INTERNAL_ERROR):
                self.errors.append(one_line(msg))
            elif verbose:
                print(f"{severity.name.lower()}: {msg.strip()}", file=sys.stderr)

    return Log()


def one_line(text: str) -> str:
    return " ".join(text.split())
