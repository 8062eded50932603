"""Damaged files of every kind are read or refused in a line. The same in every run; benchmarks/fuzz.py has more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from checkout import ROOT

FUZZ = ROOT / "benchmarks" / "fuzz.py"
sys.path.insert(0, str(FUZZ.parent))

from fuzzing.campaign import Campaign, Case, Worker, judged  # noqa: E402
from fuzzing.readers import READERS, available  # noqa: E402

CASES = {
    "checkpoints": 25,
    "safetensors": 25,
    "onnx": 20,
    "onnx-engine": 4,
    "videos": 60,
    "libraries": 20,
    "calibration-arrays": 80,
    "histograms": 80,
    "lists": 80,
    "pose-models": 40,
}
"""Files of readers that take longer than the others."""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="memory is measured on Linux"
)


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused(reader: str, tmp_path: Path) -> None:
    if reader not in available():
        pytest.skip(f"{READERS[reader].needs} is not installed")
    with Campaign(reader, seed=15, keep=tmp_path) as campaign:
        for number in range(CASES.get(reader, 150)):
            campaign.run(number)
        assert not campaign.tally.failures
        assert campaign.tally.outcomes.keys() <= {"read", "refused"}
        # Neither a reader that takes everything nor one that takes nothing is tested by this.
        assert sum(campaign.tally.outcomes.values()) == CASES.get(reader, 150)


@pytest.mark.parametrize("reader", sorted(set(READERS) - {"masks", "lists"}))
def test_whole_files_are_read(reader: str, tmp_path: Path) -> None:
    """Those of `masks` and `lists` are of several kinds, each read as every kind."""
    if reader not in available():
        pytest.skip(f"{READERS[reader].needs} is not installed")
    with Worker(reader) as worker:
        for name, data in READERS[reader].seeds():
            (tmp_path / name).write_bytes(data)
            assert worker.read(tmp_path / name)[:2] == ("read", "")


def test_a_case_is_the_same_file_in_every_run() -> None:
    seeds = [("a.json", b'{"a": [1, 2, 3]}'), ("b.json", b"[4]")]
    files = [[Case("poses-json", 3, number).file(seeds) for number in range(50)] for _ in range(2)]
    assert files[0] == files[1]
    assert len(set(files[0])) > 25


@pytest.mark.parametrize(
    ("outcome", "memory", "size", "wrong"),
    [("read", 0, 1, False), ("refused", 0, 1, False), ("failed", 0, 1, True), ("hung", 0, 1, True),
     ("crashed", 0, 1, True), ("read", 2 << 30, 1, True), ("read", 2 << 30, 30_000_000, False)],
)  # fmt: skip
def test_what_counts_as_a_failure(outcome: str, memory: int, size: int, wrong: bool) -> None:
    assert (judged(outcome, "why", memory, size) is not None) == wrong


def test_a_kept_file_is_replayed(tmp_path: Path) -> None:
    np.savez(tmp_path / "parts-0-1-a.npz", beard=np.ones((4, 4), bool))
    command = [sys.executable, str(FUZZ), "--replay", str(tmp_path / "parts-0-1-a.npz")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "refused" in done.stdout
    assert "no part of a face: beard" in done.stdout
