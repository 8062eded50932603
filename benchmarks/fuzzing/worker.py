"""A process that reads damaged files for the campaign: one line of JSON in for each file, one out.

Memory is what the kernel counts for this process: the peak is set back before a file is read, and the address space is
limited, so that a reader that asks for everything ends here and not the machine.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
from pathlib import Path

ADDRESS_SPACE = 6 << 30
"""Bytes beyond what the libraries take; some reserve more than they use."""


def serve(reader_name: str) -> None:
    """Read files until standard input ends; answers go to what was standard output."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever libraries print
    from fuzzing.readers import READERS

    reader = READERS[reader_name]
    limit = _status("VmSize") + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        print(json.dumps(_read(reader.read, Path(json.loads(line)))), file=answers)


def _read(read: object, path: Path) -> dict[str, object]:
    from dynast_deploy.errors import DynastError

    before = _reset_peak()
    outcome, message = "read", ""
    try:
        read(path)  # type: ignore[operator]
    except DynastError as error:
        outcome, message = "refused", str(error)
    except BaseException as error:
        outcome = "failed"
        message = f"{type(error).__name__}: {error}\n" + "".join(traceback.format_exception(error)[-6:])
    return {"outcome": outcome, "message": message[:4000], "memory": _status("VmHWM") - before}


def _reset_peak() -> int:
    """Have the peak counted from now on; what the process holds, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    serve(sys.argv[1])
