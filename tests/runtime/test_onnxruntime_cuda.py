"""The ONNX Runtime engine as it runs with CUDA, on a CPU: what is bound, copied and kept, and what is asked for."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_engine import write_tiny_engine

from dynast_deploy.conditions import tensor_picture
from dynast_deploy.runtime.onnxrt import engine as onnxruntime_engine
from dynast_deploy.runtime.onnxrt.engine import OnnxRuntimeEngine

SIZE = 32


class CudaOnCpu:
    """ONNX Runtime that takes CUDA's name and runs on the CPU."""

    def __init__(self, onnxruntime: Any) -> None:
        self._onnxruntime = onnxruntime
        self.options: list[dict[str, str]] = []
        self.types: list[list[str]] = []
        self.runs: list[str | None] = []
        self.OrtValue = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self._onnxruntime, name)

    def ortvalue_from_shape_and_type(self, shape: list[int], dtype: type, device: str) -> Any:
        assert device == "cuda"
        return self._onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, dtype, "cpu")

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def InferenceSession(self, model: bytes, options: Any, providers: list[Any]) -> Any:
        (name, cuda), fallback = providers
        assert (name, fallback) == ("CUDAExecutionProvider", "CPUExecutionProvider")
        self.options.append(cuda)
        session = self._onnxruntime.InferenceSession(model, options, [fallback])
        self.types.append([value.type for value in (session.get_inputs()[0], session.get_outputs()[0])])
        return CudaSession(session, self)


class CudaSession:
    def __init__(self, session: Any, library: CudaOnCpu) -> None:
        self._session, self._library = session, library

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def run_with_iobinding(self, binding: Any, options: Any = None) -> None:
        self._library.runs.append(options and options.get_run_config_entry("gpu_graph_id"))
        self._session.run_with_iobinding(binding, options)


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> CudaOnCpu:
    library = CudaOnCpu(pytest.importorskip("onnxruntime"))
    monkeypatch.setattr(onnxruntime_engine, "import_onnxruntime", lambda: library)
    return library


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_engine(tmp_path_factory.mktemp("engine"), crop_size=SIZE)


def levels(count: int, channels: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, channels, SIZE, SIZE), np.uint8)


def test_pictures_are_those_of_the_cpu_though_bytes_are_copied_both_ways(
    cuda: CudaOnCpu, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exemplars = [(levels(1, 3, seed) / np.float32(127.5) - 1, levels(1, 20, seed)) for seed in (1, 2)]
    engine = OnnxRuntimeEngine(path, "cuda", 1)
    monkeypatch.undo()
    plain = OnnxRuntimeEngine(path, "cpu", 1, native_attention=False)
    kept = [(engine.encode_exemplar(*one), plain.encode_exemplar(*one)) for one in exemplars]
    for turn, count in enumerate((2, 1, 1, 2)):
        ours, theirs = kept[turn % 2]
        given = levels(count, 20, turn + 10)
        image, wanted = engine.render_bytes(ours, given), plain.render(theirs, given)
        np.testing.assert_allclose(engine.render(ours, given), wanted, atol=1e-3)
        for one, other in zip(image, wanted, strict=True):
            # The CPU's form of the graph rounds otherwise, here and there by a level.
            assert np.abs(one.transpose(1, 2, 0).astype(int) - tensor_picture(other)).max() <= 1
    assert ["tensor(uint8)", "tensor(uint8)"] in cuda.types
    assert engine.info.device == "cuda"


def test_graphs_are_asked_for_the_renderer_alone_and_told_apart(cuda: CudaOnCpu, path: Path) -> None:
    engine = OnnxRuntimeEngine(path, "cuda", 1, cuda_graphs=True)
    exemplars = [
        engine.encode_exemplar(levels(1, 3, seed) / np.float32(255), levels(1, 20, seed)) for seed in (1, 2)
    ]
    cuda.runs.clear()
    for exemplar in (*exemplars, exemplars[0]):
        for count in (1, 2):
            engine.render(exemplar, levels(count, 20, 5))
    assert cuda.runs == ["0", "1", "2", "3", "0", "1"]
    assert [options["enable_cuda_graph"] for options in cuda.options] == ["0", "0", "1"]
    assert OnnxRuntimeEngine(path, "cuda", 1)._graphs is None


def test_what_is_bound_goes_with_the_exemplar(cuda: CudaOnCpu, path: Path) -> None:
    engine = OnnxRuntimeEngine(path, "cuda", 1)
    exemplar = engine.encode_exemplar(levels(1, 3, 1) / np.float32(255), levels(1, 20, 1))
    engine.render(exemplar, levels(1, 20, 2))
    bound = weakref.ref(engine._bound[exemplar][1, False])
    engine.render(exemplar, levels(1, 20, 3))
    assert engine._bound[exemplar][1, False] is bound()
    del exemplar
    gc.collect()
    assert bound() is None


def test_an_image_stays_as_it_was_when_the_next_one_is_rendered(cuda: CudaOnCpu, path: Path) -> None:
    engine = OnnxRuntimeEngine(path, "cuda", 1)
    exemplar = engine.encode_exemplar(levels(1, 3, 1) / np.float32(255), levels(1, 20, 1))
    first = engine.render(exemplar, levels(1, 20, 2))
    copy = first.copy()
    assert not np.array_equal(engine.render(exemplar, levels(1, 20, 3)), first)
    np.testing.assert_array_equal(first, copy)
