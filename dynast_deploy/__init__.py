"""DynaST (Liu et al., ECCV 2022, arXiv 2207.06124) as a deployable engine.

Importing this package imports nothing heavy: names are resolved when they are first used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dynast_deploy.errors import DynastError
from dynast_deploy.version import __version__

if TYPE_CHECKING:
    from dynast_deploy.checkpoint import load_generator

__all__ = ["DynastError", "__version__", "load_generator"]

# In a checkout the parts `runtime/`, `export/`, `plugins/` and `calib/` lie next to this folder; installed, they
# lie inside it. Python started in the root of a checkout finds this folder first, so it has to look there too.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "pyproject.toml").is_file() and (_checkout / "runtime" / "__init__.py").is_file():
    __path__.append(str(_checkout))


def __getattr__(name: str) -> Any:
    if name == "load_generator":
        from dynast_deploy.checkpoint import load_generator

        return load_generator
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
