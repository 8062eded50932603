"""TensorRT's timing cache: how fast kernels were on this GPU, kept so that the next build does not time them again."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.plugins.bindings.library import cache_folder


def default_path(gpu: str, compute_capability: str, version: str) -> Path:
    """In the user's cache folder, one file per GPU model and TensorRT version, which is as far as a cache is valid."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", gpu).strip("-").lower()
    return cache_folder() / "timing" / f"{name}-{compute_capability}-tensorrt-{version}.cache"


def attach(config: Any, path: Path) -> None:
    """Give the builder's configuration the cache in `path`, or an empty one where there is none that fits.

    Raises:
        DynastError: Where the file cannot be read.
    """
    content = b""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise DynastError(f"--timing-cache {path}: cannot be read ({error.strerror})") from None
    cache = config.create_timing_cache(content)
    if content and (cache is None or not config.set_timing_cache(cache, False)):
        print(f"note: {path} is of another GPU or version, or damaged; it is made anew", file=sys.stderr)
        content, cache = b"", config.create_timing_cache(b"")
    if not content:
        config.set_timing_cache(cache, False)


def keep(config: Any, path: Path) -> None:
    """Write what the builder has timed. A cache is worth a note, and no failed build, where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with AtomicFile(path) as partial:
            partial.write_bytes(memoryview(config.get_timing_cache().serialize()))
    except (OSError, DynastError) as error:
        print(f"note: the timing cache is not kept: {error}", file=sys.stderr)
