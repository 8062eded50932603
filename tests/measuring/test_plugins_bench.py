"""The benchmark of operators measures what its table states."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dynast_deploy.bench import operators as bench
from dynast_deploy.bench.attention_case import TOP_K, AttentionCase
from dynast_deploy.plugins import onnxruntime_library
from dynast_deploy.plugins.bindings import native


def case(scale: str, scattered: bool = False, dtype: str = "float32") -> AttentionCase:
    return AttentionCase(scale, 8, 20, 4, 16, dtype, scattered, threads=1)


@pytest.mark.parametrize("scale", ["inter", "inner"])
@pytest.mark.parametrize("implementation", bench.IMPLEMENTATIONS)
def test_every_implementation_is_measured(scale: str, implementation: str) -> None:
    if implementation == "operator" and onnxruntime_library() is None:
        pytest.skip("the ONNX Runtime operators are not built")
    if implementation == "PyTorch operator" and not native.available():
        pytest.skip("the CPU kernels are not built")
    row = bench.measure(case(scale), implementation, repeats=1)
    assert row.ms > 0
    assert 0 < row.copy_share < 1


def test_all_implementations_compute_the_same() -> None:
    if onnxruntime_library() is None or not native.available():
        pytest.skip("the native libraries are not built")
    layer = case("inner")
    runs = [
        bench._onnxruntime(layer, onnxruntime_library()),
        bench._onnxruntime(layer, None),
        bench._torch(layer, "operator"),
        bench._torch(layer, "reference"),
    ]
    first, *others = (np.asarray(run()[0]) for run in runs)  # type: ignore[index]
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-4)


def test_dense_attention_is_measured() -> None:
    if onnxruntime_library() is None:
        pytest.skip("the ONNX Runtime operators are not built")
    layer = AttentionCase("dense", 8, 20, 4, 16, "float32", False, threads=1)
    first, second = (
        run()[0] for run in (bench._onnxruntime(layer, onnxruntime_library()), bench._torch(layer, ""))
    )  # type: ignore[index]
    np.testing.assert_allclose(first, second, atol=1e-4)


def test_bytes_are_those_of_inputs_and_outputs() -> None:
    layer = case("inter", dtype="float16")
    arrays = layer.arrays()
    outputs = 64 * (16 + 1) * 2 + 64 * TOP_K * 4
    assert layer.bytes == sum(array.nbytes for array in arrays.values()) + outputs


@pytest.mark.parametrize("scale", ["inter", "inner"])
@pytest.mark.parametrize("scattered", [False, True])
def test_matches_lie_in_the_map(scale: str, scattered: bool) -> None:
    matches = case(scale, scattered).arrays()["matches"]
    side = 8 if scale == "inner" else 4
    assert matches.shape == (1, side**2, TOP_K)
    assert matches.min() >= 0
    assert matches.max() < side**2


def test_the_table_compares_with_the_operator() -> None:
    rows = [
        bench.Row(case("inner"), "operator", 2.0, 10.0, 0.5, 3.0),
        bench.Row(case("inner"), "function body", 9.0, 10.0, 0.1, None),
    ]
    lines = bench.table(rows).splitlines()
    assert lines[2].split()[:7] == ["inner", "float32", "smooth", "function", "body", "9.0", "4.5"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("arguments", [["--size", "100"], ["--threads", "0"]])
def test_senseless_options_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        bench.main(arguments)
    assert stopped.value.code == 2


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "published_cases", lambda *_: pytest.fail("it was measured"))
    with pytest.raises(SystemExit) as stopped:
        bench.main(["--json", str(tmp_path / "no" / "rows.json")])
    assert stopped.value.code == 2
    assert "there is no folder" in capsys.readouterr().err
