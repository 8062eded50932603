"""Damaged files in great number, each made from a seed, and the workers that read them."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType

from fuzzing.readers import READERS

SECONDS = 30.0
"""Processor time within which a file is read, or the reader hangs; a busy machine does not count."""

WAITED_SECONDS = 10 * SECONDS
"""The same by the clock, for a reader that waits for something."""

MEMORY = 1 << 30
"""Bytes that reading a file of less than 20 MB may take."""


@dataclass(frozen=True)
class Case:
    """Damaged file number `number` of a reader; the same for the same seed."""

    reader: str
    seed: int
    number: int

    def file(self, seeds: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
        """Its name and contents, made of the reader's whole files."""
        rng = Random(f"{self.seed} {self.reader} {self.number}")
        name, data = rng.choice(seeds)
        return name, rng.choice(READERS[self.reader].damages)(data, rng)

    def __str__(self) -> str:
        return f"--reader {self.reader} --seed {self.seed} --case {self.number}"


@dataclass
class Tally:
    """What came of the files of one reader; `failures` are messages by case."""

    outcomes: Counter[str] = field(default_factory=Counter)
    most_memory: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)


class Worker:
    """A process with one reader; a context manager. It is started anew after a crash or a hang."""

    def __init__(self, reader: str) -> None:
        self.reader = reader
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def read(self, path: Path) -> tuple[str, str, int]:
        """Outcome ("read", "refused", "failed", "hung", "crashed"), message and bytes of memory."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(str(path)) + "\n")
        process.stdin.flush()
        if not self._answers(process):
            self._end()
            return "hung", f"no end within {SECONDS:.0f} s", 0
        line = process.stdout.readline()
        if not line:
            status = process.wait()
            self._end()
            return "crashed", f"the reader's process ended with status {status}", 0
        answer = json.loads(line)
        return answer["outcome"], answer["message"], answer["memory"]

    def _answers(self, process: subprocess.Popen[str]) -> bool:
        """Whether the process prints something or ends before its time is over."""
        started, used = time.monotonic(), _processor_seconds(process.pid)
        while not select.select([process.stdout], [], [], 1.0)[0]:
            if _processor_seconds(process.pid) - used > SECONDS:
                return False
            if time.monotonic() - started > WAITED_SECONDS:
                return False
        return True

    def _start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fuzzing.worker", self.reader]
        self._process = subprocess.Popen(
            command,
            cwd=Path(__file__).resolve().parents[1],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _processor_seconds(pid: int) -> float:
    """Of all threads of a process, those of its kernel calls included (proc_pid_stat(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def judged(outcome: str, message: str, memory: int, size: int) -> str | None:
    """What is wrong with an outcome, or None."""
    if outcome not in ("read", "refused"):
        return f"{outcome}: {message}"
    if memory > MEMORY and size < 20_000_000:
        return f"took {memory / 1e6:.0f} MB for a file of {size / 1e6:.3f} MB ({outcome}: {message})"
    return None


class Campaign:
    """Cases of one reader, in order; a context manager. Files that fail are kept in `keep`."""

    def __init__(self, reader: str, seed: int, keep: Path) -> None:
        self.reader, self.seed, self.keep = reader, seed, keep
        self.seeds = READERS[reader].seeds()
        self.tally = Tally()
        self._worker = Worker(reader)
        self._folder = tempfile.TemporaryDirectory()

    def __enter__(self) -> Campaign:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._worker.__exit__(kind, error, trace)
        self._folder.cleanup()

    def run(self, number: int) -> str | None:
        """What is wrong with one case, or None."""
        case = Case(self.reader, self.seed, number)
        name, data = case.file(self.seeds)
        path = Path(self._folder.name) / name
        path.write_bytes(data)
        outcome, message, memory = self._worker.read(path)
        path.unlink(missing_ok=True)
        self.tally.outcomes[outcome] += 1
        self.tally.most_memory = max(self.tally.most_memory, memory)
        wrong = judged(outcome, message, memory, len(data))
        if wrong is not None:
            self.keep.mkdir(parents=True, exist_ok=True)
            kept = self.keep / f"{self.reader}-{self.seed}-{number}-{name}"
            kept.write_bytes(data)
            self.tally.failures.append((f"{case}: {kept}", wrong))
        return wrong
