"""What every engine is: an exemplar encoder and a frame renderer behind one small interface."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.size import Size

SLACK = 0.01
"""How far floats may lie beyond their range, by resizing or rounding."""


@dataclass(frozen=True)
class EngineInfo:
    """What an engine draws, and on what it runs.

    channels: of a condition; height, width: of its pictures in pixels; backend: "onnxruntime", "pytorch", "tensorrt" or
    "tensorrt-rtx"; device: "cpu" or "cuda"; attention: "native" (our operators) or "function" (standard operators).
    """

    source: str
    task: Task | None
    channels: int
    height: int
    width: int
    backend: str
    device: str
    attention: str

    @property
    def size(self) -> Size:
        """The size of its pictures."""
        return Size(self.height, self.width)


@dataclass(frozen=True, eq=False)
class EncodedExemplar:
    """An exemplar as an engine keeps it, on its device; only the engine that made it can render with it."""

    engine: Engine
    tensors: Any
    count: int


class Engine(Protocol):
    """Renders frames in the appearance of an encoded exemplar. Several exemplars may be kept and used in turn."""

    info: EngineInfo

    def encode_exemplar(self, exemplar: np.ndarray, exemplar_condition: np.ndarray) -> EncodedExemplar:
        """Encode once what stays the same for every frame.

        exemplar `[E, 3, H, W]` float32 in -1..1 (RGB), exemplar_condition `[E, S, H, W]` float32 in 0..1; or uint8 in
        0..255. E is 1, or the number of conditions that `render` will be given. Raises DynastError for other shapes.
        """
        ...

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """Images `[N, 3, H, W]` float32 in -1..1 for conditions `[N, S, H, W]`, float32 in 0..1 or uint8 in 0..255.

        Raises DynastError for other shapes, floats beyond that range, NaN (given or computed), or an exemplar of
        another engine.
        """
        ...


@runtime_checkable
class RendersBytes(Protocol):
    """An engine whose graph begins with bytes and ends with bytes, so that frames are small on their way to and fro."""

    def render_bytes(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """Images `[N, 3, H, W]` uint8 for conditions `[N, S, H, W]` uint8.

        They are what `conditions.tensor_picture` makes of the images of `Engine.render`. Raises DynastError like it.
        """
        ...


class Pending(Protocol):
    """Images on their way."""

    def result(self) -> np.ndarray:
        """Waits for the images `[N, 3, H, W]`: uint8, or float32 in -1..1. Raises what went wrong with them."""
        ...


@runtime_checkable
class Asynchronous(Protocol):
    """An engine that copies the next frames in and the last ones out while it computes. It gains when a caller submits
    the next frames before it asks for the result of the last ones."""

    def submit(self, exemplar: EncodedExemplar, condition: np.ndarray) -> Pending:
        """Start what `Engine.render` does with the same arguments; `condition` may be changed after the call."""
        ...


def network_input(
    name: str, array: np.ndarray, channels: int, info: EngineInfo, dtype: str = "float32", lowest: float = 0
) -> np.ndarray:
    """`array` as contiguous `[N, channels, H, W]` of the type that an engine takes; DynastError if it does not fit.

    `dtype` "uint8" is 0..255, any other type of float `lowest`..1; what is given in one is turned into the other.
    Floats beyond that range, and NaN, are refused.
    """
    expected = (channels, info.height, info.width)
    if array.ndim != 4 or array.shape[1:] != expected or not array.shape[0]:
        raise DynastError(
            f"{name} has shape {list(array.shape)}; {info.source} needs [N, {', '.join(map(str, expected))}]"
        )
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        raise DynastError(f"{name} is {array.dtype}; it must be float32, or uint8")
    if array.dtype != np.uint8:
        _check_range(name, array, lowest)
    if dtype == "uint8":
        if array.dtype != np.uint8:
            array = np.rint(np.clip((array - lowest) / (1 - lowest), 0, 1) * 255)
        return np.ascontiguousarray(array, np.uint8)
    if array.dtype == np.uint8:
        array = np.divide(array, 255, dtype=np.float32)
        if lowest:
            array = array * np.float32(1 - lowest) + np.float32(lowest)
    return np.ascontiguousarray(array, dtype)


def _check_range(name: str, array: np.ndarray, lowest: float) -> None:
    least, most = float(array.min()), float(array.max())
    if lowest - SLACK <= least and most <= 1 + SLACK:
        return
    if np.isnan(least):  # a minimum of what holds NaN is NaN
        raise DynastError(f"{name} holds NaN; repair or leave out this picture")
    raise DynastError(
        f"{name} lies in {least:.4g}..{most:.4g}; floats must lie in {lowest:g}..1: scale it, or give 0..255 as uint8"
    )


def check_images(images: np.ndarray, source: str) -> None:
    """DynastError where images, or a sum of each, hold NaN or infinite values, which would be seen as black."""
    if not np.isfinite(images).all():
        raise DynastError(
            f"{source}: it gives NaN or infinite values for this input; if it computes in float16, take the float32 "
            "file it came from, or make another: dynast calibrate model.onnx --fp16 --data ..."
        )


def float_images(images: np.ndarray) -> np.ndarray:
    """Images as float32 in -1..1: 0..255 for the same range where they are uint8."""
    if images.dtype == np.uint8:
        return images / np.float32(127.5) - np.float32(1)
    return images.astype(np.float32, copy=False)


def check_exemplar(engine: Engine, exemplar: EncodedExemplar, conditions: int) -> None:
    """DynastError unless `engine` made the exemplar and it is one, or one for every condition."""
    if exemplar.engine is not engine:
        raise DynastError(
            f"this exemplar was encoded by another engine ({exemplar.engine.info.source}); encode it with the one that "
            "renders"
        )
    if exemplar.count not in (1, conditions):
        raise DynastError(
            f"{exemplar.count} exemplars for {conditions} conditions; give one, or one for each"
        )
