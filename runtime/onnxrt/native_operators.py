"""Our operators for ONNX Runtime where they are built and load; else the reason, and what fixes it."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from dynast_deploy.errors import DynastWarning
from dynast_deploy.onnxruntime_session import reason
from dynast_deploy.plugins.bindings import library


class Operators(NamedTuple):
    """path: of the library, None where there is none to use; problem, fix: why not, and what fixes that."""

    path: Path | None
    problem: str = ""
    fix: str = ""


@functools.cache
def find_operators(onnxruntime: Any, device: str = "cpu") -> Operators:
    """The library that `onnxruntime` (the module) takes for `device` "cpu" or "cuda"; looked for once."""
    name = library.ONNXRUNTIME_GPU if device == "cuda" else library.ONNXRUNTIME
    fix = library.BUILD_COMMAND + (" --cuda" if device == "cuda" else "")
    path = library.find(name)
    if path is None:
        from dynast_deploy.plugins.native_build import cpu as build

        compiler = "" if build.find_compiler() else "install g++ or clang++, then: "
        return Operators(None, library.why_not_found(name), compiler + fix)
    try:
        onnxruntime.SessionOptions().register_custom_ops_library(str(path))
    except Exception as error:  # ONNX Runtime has classes of its own for this
        return Operators(None, f"of no use here: {path} does not load ({reason(error)})", fix)
    return Operators(path)


def operators_or_warning(onnxruntime: Any, device: str = "cpu") -> Path | None:
    """The library; without it a DynastWarning, once, that says why and what fixes it."""
    found = find_operators(onnxruntime, device)
    if found.path is None:
        warnings.warn(
            f"the native operators are {found.problem}, so frames take several times as long; to build them: "
            f"{found.fix}",
            DynastWarning,
            stacklevel=3,
        )
    return found.path
