"""Every engine is closed in the same way: once or twice, by hand or on leaving a `with`, with its exemplars."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from plan_machine import plan_machine
from tiny_engine import write_tiny_engine

from dynast_deploy.errors import DynastError
from dynast_deploy.runtime import Engine, load_engine
from dynast_deploy.runtime.engine import EncodedExemplar

Inputs = tuple[np.ndarray, np.ndarray]


@pytest.fixture(params=[".onnx", ".pth", ".plan"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """An engine of each kind; plans run on a stand-in for TensorRT and CUDA."""
    if request.param == ".plan":
        with plan_machine(tmp_path) as machine:
            yield machine.path
        return
    pytest.importorskip("torch" if request.param == ".pth" else "onnxruntime")
    yield write_tiny_engine(tmp_path).with_suffix(request.param)


def inputs(engine: Engine) -> Inputs:
    info = engine.info
    random = np.random.default_rng(0)
    return tuple(
        random.integers(0, 256, (1, channels, info.height, info.width), np.uint8)
        for channels in (3, info.channels)
    )  # type: ignore[return-value]


def test_a_closed_engine_says_so_and_closing_it_again_is_nothing(path: Path) -> None:
    with load_engine(path) as engine:
        picture, condition = inputs(engine)
        exemplar = engine.encode_exemplar(picture, condition)
        assert engine.render(exemplar, condition).shape == picture.shape
    uses: list[Callable[[], object]] = [
        lambda: engine.encode_exemplar(picture, condition),
        lambda: engine.render(exemplar, condition),
    ]
    for name in ("render_bytes", "submit"):
        if hasattr(engine, name):
            uses.append(lambda name=name: getattr(engine, name)(exemplar, condition))
    if hasattr(engine, "exemplar_tensors"):
        uses.append(lambda: engine.exemplar_tensors(exemplar))
    engine.close()
    for use in uses:
        with pytest.raises(DynastError, match=r"this engine was closed; load it again"):
            use()
    assert engine.info.source == str(path)


def test_an_engine_is_closed_when_what_uses_it_fails(path: Path) -> None:
    engine = load_engine(path)

    def use() -> None:
        with engine:
            raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        use()
    with pytest.raises(DynastError, match="closed"):
        engine.encode_exemplar(*inputs(engine))


@pytest.mark.parametrize("path", [".onnx", ".pth"], indirect=True)
def test_what_an_exemplar_holds_is_released_with_the_engine(path: Path) -> None:
    engine = load_engine(path, "cpu", 1)
    exemplar = engine.encode_exemplar(*inputs(engine))
    held = weakref.ref(tensor_of(exemplar))
    assert held() is not None
    engine.close()
    gc.collect()
    assert held() is None
    assert exemplar.count == 1


def tensor_of(exemplar: EncodedExemplar) -> object:
    if isinstance(exemplar.tensors, dict):
        return next(iter(exemplar.tensors.values()))
    return exemplar.tensors.blocks[0].key


@pytest.mark.parametrize("device", ["tpu", "", "CUDA", "cuda:0"])
def test_an_unknown_device_is_the_same_error_for_every_kind_of_file(path: Path, device: str) -> None:
    with pytest.raises(DynastError) as caught:
        load_engine(path, device)
    assert str(caught.value) == f"device {device!r} is none of auto, cpu and cuda"
