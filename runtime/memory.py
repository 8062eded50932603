"""Memory that was freed, given back to the system."""

from __future__ import annotations

import ctypes
import os


def return_freed_memory() -> None:
    """Ask the C library to give back the pages that it keeps after a large model was loaded or released.

    glibc keeps them for later; the other C libraries have no such call and need none.
    """
    if os.name != "posix":
        return
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
