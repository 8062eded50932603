"""A process's peak memory."""

from __future__ import annotations

import sys
from pathlib import Path

from dynast_deploy.errors import DynastError


def peak_resident_mb() -> float:
    """The most memory this process ever had resident, in 10**6 bytes: interpreter, libraries and loading included.

    Linux says it in /proc (VmHWM, see proc_pid_status(5)); `ru_maxrss` would there count what the process that started
    this one held at that moment. macOS has `ru_maxrss` alone.

    Raises:
        DynastError: The system is Windows, which does not tell it in either way.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    if sys.platform == "win32":
        raise DynastError("dynast bench measures peak memory on Linux and macOS only; run it on one of them")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
