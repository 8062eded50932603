"""`dynast bench --engine`: files compared with each other, and what is advised."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from tiny_engine import write_tiny_engine
from typer.testing import CliRunner

from dynast_deploy.bench.compare import Side, worker_environment
from dynast_deploy.bench.engines import run_engines, verdict
from dynast_deploy.cli import app
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


def test_a_worker_whose_starter_was_killed_ends_without_a_message(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")
    engine = write_tiny_engine(tmp_path)
    command = [sys.executable, "-m", "dynast_deploy.bench.worker", "engine", str(engine), "1"]
    gone = subprocess.run(
        [*command, str(tmp_path / "gone" / "picture.npy")],
        capture_output=True,
        text=True,
        env=worker_environment(1),
    )
    assert (gone.returncode, gone.stdout, gone.stderr) == (0, "", "")
    read, write = os.pipe()
    os.close(read)
    unheard = subprocess.run(
        [*command, str(tmp_path / "picture.npy")], stdout=write, stderr=subprocess.PIPE, text=True,
        env=worker_environment(1),
    )  # fmt: skip
    os.close(write)
    assert unheard.stderr == ""


def test_one_file_alone_is_measured_and_written_as_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")
    engine, output = write_tiny_engine(tmp_path), tmp_path / "bench.json"
    main = ["bench", "--engine", str(engine), "--repeats", "2", "--threads", "1", "--json", str(output)]
    result = CliRunner().invoke(app, main)
    assert result.exit_code == 0, result.output
    found = json.loads(output.read_text())
    assert found["threads"] == 1
    (row,) = found["engines"]
    assert row["engine"] == str(engine)
    assert row["frames"] == 2
    assert row["frame_s"] > 0
    assert row["of_the_first"] == 1
    assert row["peak_mb"] > 50


def test_what_a_worker_refuses_is_the_error_of_the_command(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="engines run on ONNX Runtime")
    model = onnx.load(write_tiny_engine(tmp_path))
    weight = next(tensor for tensor in model.graph.initializer if tensor.name == "decoder_10.weight")
    weight.raw_data = np.full(list(weight.dims), np.nan, np.float32).tobytes()
    onnx.save(model, tmp_path / "nan.onnx")
    with pytest.raises(DynastError, match=r"nan\.onnx: its weights `decoder_10.weight` hold NaN"):
        run_engines([tmp_path / "nan.onnx"], 1, 1)


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
    with pytest.raises(DynastError, match="name each file once"):
        run_engines([tmp_path / "a.onnx"] * 2, 1, 1)
    with pytest.raises(DynastError, match="no such ONNX file"):
        run_engines([tmp_path / "a.onnx", tmp_path / "b.onnx"], 1, 1)
