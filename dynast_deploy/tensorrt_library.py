"""TensorRT or TensorRT-RTX as a library: importing it, and what it says."""

from __future__ import annotations

import importlib
import logging
import threading
from collections import deque
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.manifest import PlanKind

MODULES = {PlanKind.TENSORRT: "tensorrt", PlanKind.TENSORRT_RTX: "tensorrt_rtx"}
EXTRAS = {PlanKind.TENSORRT: "trt", PlanKind.TENSORRT_RTX: "rtx"}

_logger = logging.getLogger(__name__)
_lock = threading.Lock()
_messages: dict[Any, Messages] = {}


def import_library(kind: PlanKind, who: str = "this engine") -> Any:
    """The module that builds and runs plans of this kind, for `who`, which messages name.

    Raises:
        DynastError: Where it is not installed or does not load.
        ModuleNotFoundError: Where a module that it needs is missing.
    """
    name = MODULES[kind]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise DynastError(
            f"{who} needs {kind.library}: pip install 'dynast-deploy[{EXTRAS[kind]}]'"
        ) from None
    except ImportError as error:
        raise DynastError(
            f"{kind.library} is installed but does not load ({error}); see `dynast doctor`"
        ) from error


class Messages:
    """What the library says: errors are kept to go with the next failure, the rest goes to Python's `logging`.

    The library takes one logger for the whole process, so there is one of these for each library.
    """

    def __init__(self, trt: Any) -> None:
        errors: deque[str] = deque(maxlen=8)
        severity = trt.ILogger.Severity
        levels = {
            severity.INTERNAL_ERROR: logging.ERROR,
            severity.ERROR: logging.ERROR,
            severity.WARNING: logging.INFO,
            severity.INFO: logging.DEBUG,
            severity.VERBOSE: logging.DEBUG,
        }

        class Logger(trt.ILogger):  # type: ignore[misc, unused-ignore]
            def __init__(self) -> None:
                trt.ILogger.__init__(self)

            def log(self, severity: Any, msg: str) -> None:
                level = levels.get(severity, logging.DEBUG)
                if level == logging.ERROR:
                    errors.append(" ".join(msg.split()))
                else:
                    _logger.log(level, "%s", msg)

        self._errors = errors
        self.logger = Logger()

    def forget(self) -> None:
        """Forget errors of what is over: what fails next did not fail because of them."""
        self._errors.clear()

    def failure(self, what: str) -> DynastError:
        """The error to raise after the library failed at `what`, with what it said about it."""
        said = "; ".join(dict.fromkeys(self._errors)) or "it does not say why"
        self._errors.clear()
        return DynastError(f"{what}: {said}")


def messages_of(trt: Any) -> Messages:
    """The process's `Messages` of a library."""
    with _lock:
        if trt not in _messages:
            _messages[trt] = Messages(trt)
        return _messages[trt]
