"""`dynast bench --engine model.plan`, on stand-ins: every batch with and without graphs, and nothing is left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from plan_machine import CHANNELS, SIZE, levels, plan_machine
from typer.testing import CliRunner

from dynast_deploy.bench.plan import run_plan
from dynast_deploy.cli import app
from dynast_deploy.errors import DynastError
from dynast_deploy.runtime.trt.engine import TensorRTEngine


def test_every_batch_is_measured_with_and_without_graphs(tmp_path: Path) -> None:
    with plan_machine(tmp_path) as machine:
        output = tmp_path / "bench.json"
        command = ["bench", "--engine", str(machine.path), "--repeats", "3", "--json", str(output)]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
        assert "batches of 8, 16" in result.output
    rows = json.loads(output.read_text())
    assert [(row["batch"], row["cuda_graphs"]) for row in rows] == [
        (batch, graphs) for batch in (1, 2, 4) for graphs in (False, True)
    ]
    for row in rows:
        for kind in ("copied", "computed"):
            assert 0 < row[kind]["p50"] <= row[kind]["p95"] <= row[kind]["p99"]
        assert row["frames_per_second"] > 0


def test_computing_alone_copies_nothing(tmp_path: Path) -> None:
    with plan_machine(tmp_path) as machine, TensorRTEngine(machine.path) as engine:
        exemplar = engine.encode_exemplar(levels(1, 3, SIZE, SIZE), levels(1, CHANNELS, SIZE, SIZE))
        conditions = levels(2, CHANNELS, SIZE, SIZE, seed=1)
        image = engine.submit(exemplar, conditions).result()
        before = len(machine.world.calls)
        engine.compute(exemplar, 2)
        calls = machine.world.calls[before:]
        assert calls
        assert not [name for name in calls if "memcpy" in name]
        assert (engine.submit(exemplar, conditions).result() == image).all()


def test_batches_that_no_plan_takes_are_refused(tmp_path: Path) -> None:
    with plan_machine(tmp_path) as machine:
        with pytest.raises(DynastError, match="1 to 4 frames at once"):
            run_plan(machine.path, [8], 1, None)
        result = CliRunner().invoke(app, ["bench", *["--engine", str(machine.path)] * 2])
        assert "measured alone" in str(result.exception)
