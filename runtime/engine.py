"""What every engine is: an exemplar encoder and a frame renderer behind one interface; and what some can do as well.

An engine holds memory, on a GPU where it runs on one, until it is closed:

    with load_engine("model.onnx") as engine:
        exemplar = engine.encode_exemplar(picture, condition_of_the_picture)
        images = engine.render(exemplar, conditions)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, Self, runtime_checkable

import numpy as np

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.size import Size


@dataclass(frozen=True)
class EngineInfo:
    """What an engine draws, and on what it runs.

    channels: of a condition; height, width: of its pictures in pixels; backend: "onnxruntime", "pytorch", "tensorrt" or
    "tensorrt-rtx"; device: "cpu", "cuda" or another of `onnxrt.provider.PROVIDERS`; attention: "native" (our operators)
    or "function" (standard operators).
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


@dataclass(eq=False)
class EncodedExemplar:
    """An exemplar as an engine keeps it, on its device; only the engine that made it can render with it.

    tensors: what the engine needs of it, for the engine alone; None when that was closed. count: of pictures in it.
    """

    engine: Engine
    tensors: Any
    count: int


class Engine(Protocol):
    """Renders frames in the appearance of an encoded exemplar. Several exemplars may be kept and used in turn.

    A context manager that closes the engine on leaving.
    """

    info: EngineInfo

    def encode_exemplar(self, exemplar: np.ndarray, exemplar_condition: np.ndarray) -> EncodedExemplar:
        """Encode once what stays the same for every frame.

        Args:
            exemplar: Pictures `[E, 3, H, W]`, RGB: float32 in -1..1, or uint8 in 0..255. E is 1, or the number of
                conditions that `render` will be given.
            exemplar_condition: Their conditions `[E, S, H, W]`: float32 in 0..1, or uint8 in 0..255.

        Raises:
            DynastError: For other shapes or types, floats beyond these ranges, NaN (given or computed), or after
                `close`.
        """
        ...

    def render(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """Images `[N, 3, H, W]` float32 in -1..1 for conditions `[N, S, H, W]`, float32 in 0..1 or uint8 in 0..255.

        Raises:
            DynastError: For other shapes or types, floats beyond that range, NaN (given or computed), an exemplar of
                another engine, or after `close`.
        """
        ...

    def close(self) -> None:
        """Release what the engine holds, encoded exemplars included. Safe to call again; `info` can still be read."""
        ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@runtime_checkable
class RendersBytes(Protocol):
    """An engine whose graph begins and ends with bytes, so that less is copied to the device and back."""

    def render_bytes(self, exemplar: EncodedExemplar, condition: np.ndarray) -> np.ndarray:
        """Images `[N, 3, H, W]` uint8 for conditions `[N, S, H, W]` uint8.

        They are what `conditions.tensor_picture` makes of the images of `Engine.render`.

        Raises:
            DynastError: As `Engine.render` does.
        """
        ...


class Pending(Protocol):
    """Images that are being computed."""

    def result(self) -> np.ndarray:
        """Wait for the images `[N, 3, H, W]`: uint8 in 0..255, or float32 in -1..1.

        Raises:
            DynastError: Where they could not be computed.
        """
        ...


@runtime_checkable
class Asynchronous(Protocol):
    """An engine that copies the next frames in and the last ones out while it computes.

    It is faster when a caller submits the next frames before it asks for the result of the last ones.
    """

    def submit(self, exemplar: EncodedExemplar, condition: np.ndarray) -> Pending:
        """Start what `Engine.render` does with the same arguments; `condition` may be changed after the call.

        Raises:
            DynastError: As `Engine.render` does, but for what shows when the images are computed.
        """
        ...


@runtime_checkable
class ShowsExemplars(Protocol):
    """An engine whose encoded exemplars can be read back."""

    def exemplar_tensors(self, exemplar: EncodedExemplar) -> dict[str, np.ndarray]:
        """The cut tensors of an exemplar by name, float `[E, L, C]`, copied to the host.

        Raises:
            DynastError: For an exemplar of another engine, or after `close`.
        """
        ...


def check_exemplar(engine: Engine, exemplar: EncodedExemplar, conditions: int) -> None:
    """Check that `engine` made the exemplar and that it is one picture, or one for every condition.

    Raises:
        DynastError: Where one of these does not hold.
    """
    if exemplar.engine is not engine:
        raise DynastError(
            f"this exemplar was encoded by another engine ({exemplar.engine.info.source}); encode it with the one that "
            "renders"
        )
    if exemplar.count not in (1, conditions):
        raise DynastError(
            f"{exemplar.count} exemplars for {conditions} conditions; give one, or one for each"
        )


def closed(source: str) -> str:
    """The message where an engine, made from the file `source`, is used after it was closed."""
    return f"{source}: this engine was closed; load it again"
