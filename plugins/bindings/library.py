"""The native libraries: what they are called, which sources they are made of, and where they lie.

A library carries an identifier of the sources it was built from. One that was built from others than those of
this package, or is no longer as it was built (`whole_library`), is as good as none: it is not loaded, and
`python -m dynast_deploy.plugins.build` makes a new one.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import sys
from pathlib import Path

from dynast_deploy.plugins.bindings.whole_library import is_whole

FOLDER = Path(__file__).resolve().parents[1]
"""The package of the operators: their sources, and the libraries made of them."""
CPU = "dynast_cpu"
ONNXRUNTIME = "dynast_onnxruntime"
GPU = "dynast_gpu"
ONNXRUNTIME_GPU = "dynast_onnxruntime_gpu"
"""As ONNXRUNTIME, with the operators for CUDA too."""
_SOURCES = {
    CPU: ("include/dynast", "cpu"),
    ONNXRUNTIME: ("include/dynast", "cpu", "ort"),
    GPU: ("include/dynast", "cuda"),
    ONNXRUNTIME_GPU: ("include/dynast", "cpu", "ort", "cuda"),
}
_SUFFIXES = {"darwin": ".dylib", "win32": ".dll"}
_MARK = b"dynast-source:"
BUILD_COMMAND = "python -m dynast_deploy.plugins.build"


def file_name(library: str, system: str = sys.platform) -> str:
    """What `library` is called on `system`, which is spelled as `sys.platform` is."""
    return f"lib{library}{_SUFFIXES.get(system, '.so')}"


@functools.cache
def source_id(library: str) -> str:
    """Twelve hexadecimal digits that change with the sources of `library`."""
    digest = hashlib.sha256()
    for folder in _SOURCES[library]:
        for source in sorted((FOLDER / folder).rglob("*")):
            if source.suffix in {".h", ".cpp", ".cuh", ".cu"}:
                name = source.relative_to(FOLDER).as_posix()
                digest.update(name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:12]


def cache_folder() -> Path:
    """The user's cache folder of this package; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return Path(base or Path.home() / ".cache") / "dynast_deploy"


def built_folder(library: str) -> Path:
    """Where a library is built if the package's own folder is not writable."""
    return cache_folder() / source_id(library)


def find(library: str) -> Path | None:
    """The library built from the sources at hand, or None.

    It is looked for in this package, in the user's cache, and in an installed copy of this package: Python started
    in a checkout uses the checkout's files, although only the installed copy may have been compiled.
    """
    installed = [Path(entry) / "dynast_deploy" / "plugins" for entry in sys.path]
    for folder in (FOLDER, built_folder(library), *installed):
        path = folder / file_name(library)
        if path.is_file() and _identifier(path) == source_id(library):
            return path
    return None


def why_not_found(library: str) -> str:
    """Why `find` gives nothing: words that follow "it is"."""
    files = [folder / file_name(library) for folder in (FOLDER, built_folder(library))]
    there = next((file for file in files if file.is_file()), None)
    if there is None:
        return "not built"
    if not is_whole(there.read_bytes()):
        return f"damaged ({there} is cut short or altered)"
    return "built from other sources than those installed"


def _identifier(path: Path) -> str | None:
    """The `source_id` in a whole library, read from the file, so that a library is not loaded to be rejected."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    at = content.find(_MARK)
    if at < 0 or not is_whole(content):
        return None
    return content[at + len(_MARK) :][:12].decode("ascii", "replace")


@functools.cache
def load_cpu() -> ctypes.CDLL | None:
    """The CPU kernels, or None where there is no library or this system cannot load it."""
    return _load(CPU)


@functools.cache
def load_gpu() -> ctypes.CDLL | None:
    """The GPU kernels, or None where there is no library or this system cannot load it."""
    return _load(GPU)


def _load(library: str) -> ctypes.CDLL | None:
    path = find(library)
    if path is None:
        return None
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None
