"""The table of ONNX Runtime's providers: what a new entry gets, and what is said where it cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from tiny_engine import write_tiny_engine

from dynast_deploy import onnxruntime_session
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.file_kind import FileKind
from dynast_deploy.runtime import backends, load_engine, options
from dynast_deploy.runtime.onnxrt import engine as onnxruntime_engine
from dynast_deploy.runtime.onnxrt import provider
from dynast_deploy.runtime.onnxrt.provider import (
    CPU,
    CUDA,
    DEVICES,
    PROVIDERS,
    ExecutionProvider,
    choose_provider,
)

LABEL = "Example"
EXAMPLE = ExecutionProvider(
    device="example",
    name=f"{LABEL}ExecutionProvider",
    distribution="onnxruntime-example",
    needs="its driver",
    options={"device_type": "AUTO"},
)


class Installed(NamedTuple):
    """ONNX Runtime with some providers."""

    names: list[str]

    def get_available_providers(self) -> list[str]:
        return self.names


def test_the_choices_of_the_device_option_are_those_of_the_table() -> None:
    assert [choice.value for choice in options.Device] == [
        "auto",
        *sorted(each.device for each in PROVIDERS),
    ]
    assert options.Device("cuda").name == "CUDA"


@pytest.mark.parametrize(
    ("installed", "answers", "chosen"),
    [
        ([CUDA.name, CPU.name], True, CUDA),
        ([CUDA.name, CPU.name], False, CPU),
        ([CPU.name], True, CPU),
    ],
)
def test_auto_takes_the_first_that_is_installed_and_answers(
    installed: list[str], answers: bool, chosen: ExecutionProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dynast_deploy.runtime.cuda import driver

    monkeypatch.setattr(driver, "driver_answers", lambda: answers)
    assert choose_provider(Installed(installed), "auto") is chosen


def test_a_provider_that_is_not_installed_is_named_with_its_package() -> None:
    with pytest.raises(DynastError, match="has no CUDA; .* pip install onnxruntime-gpu, or use --device cpu"):
        choose_provider(Installed([CPU.name]), "cuda")


class FakeLibrary:
    """ONNX Runtime that has the entry's provider by name and runs everything on the CPU."""

    def __init__(self, starts: bool = True) -> None:
        self._library = pytest.importorskip("onnxruntime")
        self._starts = starts
        self.asked: list[list[Any]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._library, name)

    def get_available_providers(self) -> list[str]:
        return [EXAMPLE.name, CPU.name]

    def InferenceSession(self, model: bytes, settings: Any, providers: list[Any]) -> Any:
        self.asked.append(providers)
        session = self._library.InferenceSession(model, settings, [CPU.name])
        if self._starts:
            session.get_providers = lambda: [EXAMPLE.name, CPU.name]
        return session


@pytest.fixture
def with_entry(monkeypatch: pytest.MonkeyPatch) -> Callable[[FakeLibrary], None]:
    """Takes an ONNX Runtime for the installed one; the table has one entry more."""
    monkeypatch.setattr(provider, "PROVIDERS", (EXAMPLE, *PROVIDERS))
    for module in (provider, backends):
        monkeypatch.setattr(module, "DEVICES", (EXAMPLE.device, *DEVICES))

    def install(library: FakeLibrary) -> None:
        for module in (onnxruntime_engine, onnxruntime_session):
            monkeypatch.setattr(module, "import_onnxruntime", lambda: library)

    return install


def test_one_entry_is_all_that_an_engine_needs_of_a_new_provider(
    with_entry: Callable[[FakeLibrary], None], tmp_path: Path
) -> None:
    path = write_tiny_engine(tmp_path)
    condition = np.random.default_rng(0).integers(0, 256, (1, 20, 32, 32), np.uint8)
    picture = condition[:, :3]
    with onnxruntime_engine.OnnxRuntimeEngine(path, "cpu", 1, native_attention=False) as engine:
        expected = engine.render(engine.encode_exemplar(picture, condition), condition)
    library = FakeLibrary()
    with_entry(library)
    for device in ("example", "auto"):
        with load_engine(path, device) as engine:
            assert engine.info.device == "example"
            image = engine.render(engine.encode_exemplar(picture, condition), condition)
        np.testing.assert_allclose(image, expected, atol=1e-3)
    assert library.asked == [[(EXAMPLE.name, {"device_type": "AUTO"}), CPU.name]] * 4
    with pytest.raises(DynastError, match="device 'tpu' is none of auto, cpu, .*example"):
        load_engine(path, "tpu")


def test_a_provider_that_does_not_start_is_named_with_what_it_needs(
    with_entry: Callable[[FakeLibrary], None], tmp_path: Path
) -> None:
    with_entry(FakeLibrary(starts=False))
    picture = np.zeros((1, 3, 32, 32), np.uint8)
    with load_engine(write_tiny_engine(tmp_path), "example") as engine:
        words = f"{LABEL} was asked for but ONNX Runtime could not start it .* install its driver, or use"
        with pytest.raises(DynastError, match=words):
            engine.encode_exemplar(picture, np.zeros((1, 20, 32, 32), np.uint8))


def test_the_first_backend_that_can_run_a_file_does_and_else_every_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(reason: str | None) -> backends.Backend:
        return backends.Backend(frozenset({FileKind.ONNX}), lambda *_: reason, lambda *given: given)  # type: ignore[arg-type, return-value]

    path = tmp_path / "model.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "empty", [], [])), path)
    monkeypatch.setattr(backends, "BACKENDS", (backend("no library"), backend(None), backend("never asked")))
    assert load_engine(path, "cpu", 2) == (path, "cpu", 2)
    monkeypatch.setattr(backends, "BACKENDS", (backend("no library"), backend("no device")))
    with pytest.raises(DynastError, match="^no library; no device$"):
        load_engine(path)


def test_operators_are_not_missed_where_there_are_none(recwarn: pytest.WarningsRecorder) -> None:
    from dynast_deploy.runtime.onnxrt.native_operators import operators_or_warning

    assert operators_or_warning(object(), EXAMPLE) is None
    assert not recwarn.list
