"""Installed packages that fail to import: told from faults of this project by where the error rose."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

OURS = (Path(__file__).resolve().parent.name, "__main__")
FIXES = {
    "cv2": "pip uninstall -y opencv-python opencv-contrib-python; "
    "pip install --force-reinstall opencv-python-headless",
    "onnx": "pip install --upgrade onnx protobuf",
    "google": "pip install --upgrade onnx protobuf",
}
"""What usually fixes a module, where it is not installing it again."""
EXTRAS = {"torch": "export", "onnxruntime": "cpu", "matplotlib": "plot", "tensorboard": "train"}
"""The extra that brings a module, for those that the package alone does not bring."""


@dataclass(frozen=True)
class BrokenPackage:
    """detail: which package cannot be imported and why; fix: the command that usually fixes it."""

    detail: str
    fix: str


def broken_package(error: BaseException) -> BrokenPackage | None:
    """The package of another project whose import raised `error`; None for every other error.

    An error rose in an import where the top level of a module of another package ran below the innermost frame of this
    project, or where it is an ImportError that names another package.
    """
    module = _importing(error.__traceback__)
    if module is None and isinstance(error, ImportError):
        module = (error.name or "").split(".")[0]
        if isinstance(error, ModuleNotFoundError) and module and module not in OURS:
            extra = f"[{EXTRAS[module]}]" if module in EXTRAS else ""
            return BrokenPackage(
                f"the package {module} is not installed", f"pip install 'dynast-deploy{extra}'"
            )
    if not module or module in OURS:
        return None
    detail = f"the installed package {module} cannot be imported ({type(error).__name__}: {error})"
    return BrokenPackage(detail, FIXES.get(module, f"pip install --force-reinstall {module}"))


def _importing(trace: TracebackType | None) -> str | None:
    """The first foreign package whose top level ran below this project's innermost frame."""
    found = None
    while trace is not None:
        frame = trace.tb_frame
        package = str(frame.f_globals.get("__name__", "")).split(".")[0]
        if package in OURS:
            found = None
        elif found is None and frame.f_code.co_name == "<module>":
            found = package
        trace = trace.tb_next
    return found
