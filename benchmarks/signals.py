"""Signals at random moments of every command that writes: is a half file ever left under a final name?

    python benchmarks/signals.py --moments 50 [--only render convert] [--seed 0]

Every command runs undisturbed first, then repeatedly with SIGINT, SIGTERM, SIGHUP, SIGQUIT or SIGKILL after a
random time, in one folder. After each run every file under a final name must be whole, one that was there before must
be as it was unless the run ended well, and a video that was begun must have been kept unless it was killed. After a
last undisturbed run no hidden file may be left. Prints a row for each command; the status is 1 where something did not
hold.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from interrupting.commands import COMMANDS, EMPTIED, ROOT, missing_package
from interrupting.inputs import make_inputs
from interrupting.outputs import VIDEOS, broken, contents, incomplete_folder, is_whole_result, keep_hidden

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGKILL)
VIDEO_BEGUN = "stopping; what was done is kept"
"""What a command prints where a video was begun before the signal."""


@dataclass
class Row:
    """What happened to one command: `ended` counts by exit status, `faults` says what did not hold.

    `seconds` is the time of the first run, `kept` the number of incomplete videos that a stopped run kept under a name
    of their own, and `undisturbed` what the first run wrote.
    """

    name: str
    seconds: float
    moments: int = 0
    kept: int = 0
    ended: dict[int, int] = field(default_factory=dict)
    undisturbed: set[Path] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)


def try_command(name: str, moments: int, rng: random.Random) -> Row:
    """Run a command undisturbed, with a signal `moments` times, and undisturbed again, in one folder."""
    with tempfile.TemporaryDirectory(prefix="dynast-signals-") as temporary:
        folder = Path(temporary)
        make_inputs(folder / "in")
        for made in ("out", "tmp", "cache"):
            (folder / made).mkdir()
        start = time.monotonic()
        status, said = run(name, folder)
        row = Row(name, time.monotonic() - start)
        if status:
            row.faults.append(f"undisturbed: status {status}: {said.strip().splitlines()[-1:]}")
            return row
        row.undisturbed = set(contents(folder / "out"))
        for _ in range(moments):
            if rng.random() < 0.3:
                shutil.rmtree(folder / "out")
                (folder / "out").mkdir()
            elif name in EMPTIED:
                keep_hidden(folder / "out")
            disturb(row, folder, rng.choice(SIGNALS), rng.uniform(0.1, 1.05) * row.seconds)
        if name in EMPTIED:
            keep_hidden(folder / "out")
        status, said = run(name, folder)
        if status:
            row.faults.append(f"undisturbed at the end: status {status}: {said.strip().splitlines()[-1:]}")
        left = [str(path.relative_to(folder)) for path in folder.rglob(".*partial-*")]
        left += [str(path.relative_to(folder)) for path in (folder / "tmp").rglob("*dynast*")]
        row.faults += [f"left after the next run: {path}" for path in sorted(set(left))]
        return row


def disturb(row: Row, folder: Path, number: signal.Signals, delay: float) -> None:
    """One run that gets a signal after `delay` seconds."""
    before = contents(folder / "out")
    start = time.monotonic()
    status, said = run(row.name, folder, number, delay)
    if status == 0:  # the machine is faster now than it was
        row.seconds = min(row.seconds, time.monotonic() - start)
    row.moments += 1
    row.ended[status] = row.ended.get(status, 0) + 1
    when = f"{number.name} after {delay:.2f} s (status {status})"
    after = contents(folder / "out")
    if "Traceback" in said and number is not signal.SIGINT:
        row.faults.append(f"{when}: traceback: {said.strip().splitlines()[-1]}")
    for path in after:
        if fault := broken(path):
            row.faults.append(f"{when}: {path.relative_to(folder)} is not whole: {fault}")
    if missing := incomplete_folder(row.name, set(after), row.undisturbed):
        row.faults.append(f"{when}: {missing}")
    if status:
        for path, digest in before.items():
            pictures = row.name == "pictures"
            if after.get(path) != digest and not pictures and not is_whole_result(path, row.name):
                row.faults.append(f"{when}: {path.relative_to(folder)} was there before and has changed")
    new = [path for path in after if path not in before and path.suffix in VIDEOS]
    row.kept += bool(new and status)
    if (
        VIDEO_BEGUN in said
        and status
        and "nothing was done" not in said
        and not new
        and "pictures" not in row.name
    ):
        row.faults.append(f"{when}: a video was begun, and nothing of it is kept")
    for path in (folder / "out").glob("*.partial*"):
        path.unlink()


def run(name: str, folder: Path, number: signal.Signals | None = None, delay: float = 0) -> tuple[int, str]:
    """Exit status, negative for the signal that ended the process, and what was printed to standard error."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
        "TMPDIR": str(folder / "tmp"), "XDG_CACHE_HOME": str(folder / "cache"), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    with open(folder / "said", "w+") as said:
        process = subprocess.Popen(
            [sys.executable, *COMMANDS[name]],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        try:
            process.wait(delay if number is not None else 600)
        except subprocess.TimeoutExpired:
            process.send_signal(number or signal.SIGKILL)
            try:
                process.wait(300)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return 0, "Traceback: goes on 300 s after the signal"
        said.seek(0)
        return process.returncode, said.read()


def main() -> None:
    """Try the chosen commands and print a row for each.

    Raises:
        SystemExit: With status 1 where something did not hold, else 0.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--moments", type=int, default=50, help="of each command")
    parser.add_argument("--only", nargs="*", choices=list(COMMANDS), help="these commands alone")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    failed = False
    for name in options.only or COMMANDS:
        if package := missing_package(name):
            print(f"{name}: skipped, needs {package}", flush=True)
            continue
        row = try_command(name, options.moments, random.Random(f"{options.seed} {name}"))
        ended = ", ".join(f"{status}: {count}" for status, count in sorted(row.ended.items()))
        print(
            f"{name}: {row.moments} moments in {row.seconds:.1f} s; exit statuses {ended}; {row.kept} "
            f"stopped videos kept; "
            f"{len(row.faults)} faults",
            flush=True,
        )
        for fault in row.faults:
            print(f"  {fault}", flush=True)
        failed |= bool(row.faults)
    raise SystemExit(1 if failed else 0)


if __name__ == "__main__":
    main()
