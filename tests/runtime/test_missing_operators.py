"""Engines where the native operators are missing, damaged or of other sources."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from checkout import EXAMPLES

from dynast_deploy.command import run
from dynast_deploy.errors import DynastWarning
from dynast_deploy.plugins.bindings import library
from dynast_deploy.runtime import load_engine
from dynast_deploy.runtime.onnxrt import native_operators

pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")

EXAMPLE = EXAMPLES / "style.onnx"
SIZE = 64


def pictures(channels: int = 3, seed: int = 0, count: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random((count, channels, SIZE, SIZE), np.float32)


@pytest.fixture
def no_operators(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder for native libraries, which is empty, where they are looked for."""
    monkeypatch.setattr(library, "FOLDER", tmp_path)
    monkeypatch.setattr(library, "source_id", lambda name: "0123456789ab")
    monkeypatch.setattr(library, "built_folder", lambda name: tmp_path)
    native_operators.find_operators.cache_clear()
    yield tmp_path
    native_operators.find_operators.cache_clear()


def an_elf_file(content: bytes, cut: int = 0) -> bytes:
    """A header of 64 bits whose table of sections lies at the end, with `content`; `cut` bytes of that are missing."""
    header = bytearray(64)
    header[:6] = b"\x7fELF\x02\x01"
    header[40:48] = (64 + len(content)).to_bytes(8, "little")
    header[58:60], header[60:62] = (64).to_bytes(2, "little"), (1).to_bytes(2, "little")
    whole = bytes(header) + content + bytes(64)
    return whole[: len(whole) - cut]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "native operators are not built, so frames take several times as long; to build them: "),
        (b"dynast-source:anotherothers", "built from other sources than those installed"),
        (b"no library, but dynast-source:0123456789ab", r"does not load \(.*\)"),
        (an_elf_file(b"dynast-source:0123456789ab", cut=10), "damaged .*cut short"),
        (an_elf_file(b"dynast-source:0123456789ab"), r"does not load \(.*\)"),
    ],
)
def test_without_usable_operators_one_note_says_why_and_an_engine_runs(
    content: bytes | None, words: str, no_operators: Path
) -> None:
    if content is not None:
        (no_operators / library.file_name(library.ONNXRUNTIME)).write_bytes(content)
    with pytest.warns(DynastWarning, match=words) as notes:
        engine = load_engine(EXAMPLE, "cpu", 1)
    assert len(notes) == 1
    assert "python -m dynast_deploy.plugins.build" in str(notes[0].message)
    assert engine.info.attention == "function"
    engine.render(engine.encode_exemplar(pictures(), pictures()), pictures())


def test_a_note_is_printed_once_on_standard_error(
    no_operators: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["command"])

    def command() -> None:
        for _ in range(3):
            load_engine(EXAMPLE, "cpu", 1)

    with warnings.catch_warnings():
        warnings.simplefilter("default")
        with pytest.raises(SystemExit) as ended:
            run(command)
    assert not ended.value.code
    error = capsys.readouterr().err
    assert error.startswith("note: the native operators are not built")
    assert error.count("\n") == 1
