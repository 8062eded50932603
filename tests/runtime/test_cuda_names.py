"""Every name of pycuda (2026.1) and cuda.bindings (13.5) that we use is there, and only two files import them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from checkout import ROOT
from cuda_api import FILES, IMPORTERS, ours, recorded


@pytest.mark.parametrize("name", FILES)
def test_the_recorded_interface_has_every_name_that_is_used(name: str) -> None:
    sources = ours(name, recorded(name))
    assert sources.problems() == [], "misspelt, or new: see cuda_api.py on how to record what is new"
    assert len(sources.uses) >= {"pycuda": 28, "bindings": 10}[name]


@pytest.mark.parametrize(
    ("name", "right", "wrong", "problem"),
    [
        ("pycuda", "driver.memcpy_htod_async(", "driver.memcpy_h2d_async(", "module has no memcpy_h2d_async"),
        ("pycuda", ".retain_primary_context()", ".retain_context()", "Device has no retain_context"),
        ("pycuda", "self._context.detach()", "self._context.release()", "Context has no release"),
        ("pycuda", "flags.BLOCKING_SYNC", "flags.BLOCKING", "event_flags has no BLOCKING"),
        (
            "bindings",
            ".cuGraphInstantiate(captured, 0)",
            ".cuGraphInstantiate(captured)",
            "does not take 1 arguments",
        ),
        (
            "bindings",
            "CAPTURE_MODE_THREAD_LOCAL",
            "CAPTURE_MODE_THREAD",
            "CUstreamCaptureMode has no CU_STREAM",
        ),
    ],
)
def test_a_planted_mistake_is_found(tmp_path: Path, name: str, right: str, wrong: str, problem: str) -> None:
    file = FILES[name][0][0]
    text = (ROOT / "runtime" / "cuda" / file).read_text()
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong))
    found = ours(name, recorded(name), tmp_path).problems()
    assert any(problem in line for line in found), found


def test_cuda_is_imported_in_two_files_alone() -> None:
    importing = re.compile(r"^\s*(?:import|from) (?:pycuda|cuda)\b", re.MULTILINE)
    found = {path.name for path in (ROOT / "runtime").rglob("*.py") if importing.search(path.read_text())}
    assert found == IMPORTERS
