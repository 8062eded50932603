"""`dynast bench --engine`: files compared with each other, and what is advised."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_engine import write_tiny_engine

from dynast_deploy.bench.compare import Side
from dynast_deploy.bench.engines import run_engines, verdict
from dynast_deploy.errors import DynastError


def test_every_file_is_timed_in_a_process_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")
    monkeypatch.chdir(tmp_path)  # so that names are short enough for a line of the table
    first = write_tiny_engine(Path())
    second = Path("again.onnx")
    second.write_bytes(first.read_bytes())
    sides = run_engines([first, second], 1, 2)
    assert [len(side.frames) for side in sides.values()] == [2, 2]
    shown = capsys.readouterr().out
    assert "again.onnx" in shown
    assert "on this CPU" in shown


@pytest.mark.parametrize(
    ("times", "advice"),
    [
        ([0.2, 0.1], "on this CPU b is the fastest: 2.00 times a"),
        ([0.1, 0.2], "on this CPU nothing is gained over a: use it"),
        ([0.1, 0.099], "on this CPU nothing is gained over a: use it"),
    ],
)
def test_a_file_is_advised_only_where_it_is_faster(times: list[float], advice: str) -> None:
    sides = {name: Side([seconds], [seconds], 1.0) for name, seconds in zip("ab", times, strict=True)}
    assert verdict(sides) == advice


def test_mistakes_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(DynastError, match="name two files or more"):
        run_engines([tmp_path / "a.onnx"], 1, 1)
    with pytest.raises(DynastError, match="no such ONNX file"):
        run_engines([tmp_path / "a.onnx", tmp_path / "b.onnx"], 1, 1)
