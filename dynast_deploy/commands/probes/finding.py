"""What a probe answers, and how it asks for a package."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from dynast_deploy.broken_package import FIXES


@dataclass(frozen=True)
class Finding:
    """works: whether it can be used here; detail: with what, or why not; fix: what to do about it, or None."""

    works: bool
    detail: str
    fix: str | None = None


def imported(name: str, extra: str | None) -> Any:
    """The module, or the finding that it is not there."""
    install = f"pip install 'dynast-deploy[{extra}]'" if extra else "pip install dynast-deploy"
    package = name.split(".")[0]
    again = FIXES.get(package, f"{install} --force-reinstall")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == package:
            return Finding(False, "not installed", install)
        return Finding(False, f"does not import: {error}", again)
    except ImportError as error:
        return Finding(False, f"is installed, but does not load: {error}", again)
    except Exception as error:  # whatever a library raises while it is imported
        return Finding(False, f"does not import: {type(error).__name__}: {error}", again)
