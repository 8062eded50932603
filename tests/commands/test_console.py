"""Commands whose standard streams are closed, full, gone, or unable to show a name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="a shell's redirections")

WORK = """
import sys
from pathlib import Path
from dynast_deploy.command import run
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_text

def work(name: str) -> None:
    print("before", file=sys.stderr, flush=True)
    write_text(Path("made.txt"), "whole")
    print(f"made {name}", flush=True)
    if name == "bad":
        raise DynastError("no good")

run(work)
"""


def shell(
    folder: Path, redirection: str, name: str = "x", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    (folder / "work.py").write_text(WORK)
    command = f'"$PYTHON" work.py "$NAME" {redirection}'
    given = os.environ | {"PYTHON": sys.executable, "NAME": name} | environment
    return subprocess.run(["bash", "-c", command], cwd=folder, env=given, capture_output=True, check=False)


@pytest.mark.parametrize(
    ("redirection", "status"),
    [
        ("2>&-", 0),
        ("2>/dev/full", 0),
        (">&-", 0),
        (">&- 2>&- <&-", 0),
        (">/dev/full", 1),
        (">/dev/full 2>/dev/full", 1),
        ("| true", 0),
        ("2>&1 | true", 0),
    ],
)
def test_the_work_is_done_whatever_became_of_the_streams(
    tmp_path: Path, redirection: str, status: int
) -> None:
    if "/dev/full" in redirection and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(tmp_path, f"{redirection}; exit ${{PIPESTATUS[0]}}")
    assert (tmp_path / "made.txt").read_text() == "whole"
    assert b"Traceback" not in done.stderr
    assert done.returncode == status
    if redirection == ">/dev/full":
        assert b"error: standard output cannot be written: No space left on device" in done.stderr


def test_nothing_is_printed_into_a_file_that_took_a_closed_stream_s_number(tmp_path: Path) -> None:
    script = "import os, sys; from dynast_deploy.command import run\n"
    script += (
        "def work() -> None:\n    f = open('kept', 'w'); os.write(2, b'from a library'); f.close()\nrun(work)"
    )
    (tmp_path / "work.py").write_text(script)
    subprocess.run(["bash", "-c", f'"{sys.executable}" work.py 2>&-'], cwd=tmp_path, check=True)
    assert (tmp_path / "kept").read_bytes() == b""


@pytest.mark.parametrize("name", ["跳舞", os.fsdecode(b"caf\xe9"), "bad"])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8:strict"])
def test_a_name_that_the_encoding_lacks_is_spelled_out(tmp_path: Path, name: str, encoding: str) -> None:
    done = shell(tmp_path, "", name, PYTHONIOENCODING=encoding)
    assert done.returncode == (2 if name == "bad" else 0), done.stderr
    assert done.stdout.startswith(b"made ")
    assert (tmp_path / "made.txt").read_text() == "whole"
