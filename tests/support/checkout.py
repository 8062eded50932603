"""Where the checkout and the tests' own files are."""

from __future__ import annotations

from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOT = TESTS.parent
EXAMPLES = ROOT / "examples"
DATA = TESTS / "data"
NATIVE = TESTS / "native"
RECORDINGS = ROOT.parent / "shared" / "golden"
"""Recordings of the published code, where they are."""
