"""Our operators for ONNX Runtime where they are built and load; else the reason, and what fixes it."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any, NamedTuple

from dynast_deploy.errors import DynastWarning
from dynast_deploy.onnxruntime_session import reason
from dynast_deploy.plugins.bindings import library
from dynast_deploy.runtime.onnxrt.provider import CPU, ExecutionProvider


class Operators(NamedTuple):
    """path: of the library, None where there is none to use; problem, fix: why not, and what fixes that."""

    path: Path | None
    problem: str = ""
    fix: str = ""


@functools.cache
def find_operators(onnxruntime: Any, provider: ExecutionProvider = CPU) -> Operators:
    """The library that `onnxruntime` (the module) takes on a provider; looked for once."""
    name, fix = provider.operators, provider.operators_command
    if name is None:
        return Operators(None, f"not there for {provider.label}")
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


def operators_or_warning(onnxruntime: Any, provider: ExecutionProvider = CPU) -> Path | None:
    """The library for a provider; without it a DynastWarning, once, that says why and what fixes it.

    None, without a warning, where there are no such operators for the provider.
    """
    found = find_operators(onnxruntime, provider)
    if found.path is None and provider.operators is not None:
        warnings.warn(
            f"the native operators are {found.problem}, so frames take several times as long; to build them: "
            f"{found.fix}",
            DynastWarning,
            stacklevel=3,
        )
    return found.path
