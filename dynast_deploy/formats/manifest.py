"""The manifest of `model.plan`: what its plans are and what they need, as JSON. Values are checked on reading."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from dynast_deploy.config import Task
from dynast_deploy.formats.precision import Precision
from dynast_deploy.printable import printable, shell_word

FORMAT = 1


class PlanKind(StrEnum):
    """Which library made the plans and runs them."""

    TENSORRT = "tensorrt"
    TENSORRT_RTX = "tensorrt-rtx"

    @property
    def library(self) -> str:
        """The library's name as people write it."""
        return "TensorRT" if self is PlanKind.TENSORRT else "TensorRT-RTX"


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of a plan. dtype as NumPy calls it; -1 in the shape stands for the number of frames N."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class BatchSizes:
    """Numbers of frames that the renderer takes at once: fewest, the one it is tuned for, most."""

    min: int = 1
    opt: int = 1
    max: int = 1

    def __str__(self) -> str:
        return str(self.opt) if self.min == self.max else f"{self.min},{self.opt},{self.max}"


@dataclass(frozen=True)
class Manifest:
    """What the plans are and what they need.

    library_version: of TensorRT or TensorRT-RTX, such as "10.9.0.34"; gpu: name of the GPU they were built on, None if
    none was needed; compute_capabilities: those they were built for, such as ("8.9",); precision: that
    of both; channels: of a condition; height, width: in pixels; batch: frames at once (exemplars are always encoded one
    by one); version_compatible: they also run on later versions of the library; hardware_compatible: they also run on
    later compute capabilities; cut_tensors: outputs of the encoder and inputs of the renderer, in this order; source,
    source_sha256: name and hash of the ONNX file; plugin_version: of the attention plugin compiled into the plans, None
    where they hold none; calibration: the file that gave the ranges of eight-bit layers.
    """

    kind: PlanKind
    library_version: str
    gpu: str | None
    compute_capabilities: tuple[str, ...]
    precision: Precision
    task: str | None
    channels: int
    height: int
    width: int
    batch: BatchSizes
    version_compatible: bool
    hardware_compatible: bool
    encoder_inputs: tuple[TensorSpec, ...]
    encoder_outputs: tuple[TensorSpec, ...]
    renderer_inputs: tuple[TensorSpec, ...]
    renderer_outputs: tuple[TensorSpec, ...]
    cut_tensors: tuple[str, ...]
    source: str
    source_sha256: str
    plugin_version: str | None
    producer_version: str
    calibration: str | None = None

    def to_json(self) -> str:
        """The manifest as text that `from_json` reads."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Manifest:
        """The manifest in a text.

        Raises:
            ValueError: Where the text is not a manifest of this format, or says what cannot be.
        """
        try:
            values = json.loads(text)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        if not isinstance(values, dict) or "format" not in values:
            raise ValueError("it is not a manifest of this project")
        if values.pop("format") != FORMAT:
            raise ValueError("it was written by another version of dynast-deploy")
        known = {field.name: field.default is MISSING for field in fields(cls)}
        if odd := sorted(values.keys() - known.keys()) + [
            name for name, needed in known.items() if needed and name not in values
        ]:
            raise ValueError(f"it does not say everything, or too much ({printable(odd[0])[:80]})")
        return cls(**{name: _parsed(name, value) for name, value in values.items()})

    def rebuild_command(self, plan: str | os.PathLike[str]) -> str:
        """The command that makes the same plan anew, for the machine it is given on."""
        options = [f"--onnx {shell_word(self.source)}", f"--{self.precision}"]
        if self.calibration is not None:
            options.append(f"--calibration {shell_word(self.calibration)}")
        if self.batch != BatchSizes():
            options.append(f"--batch {self.batch}")
        options += ["--version-compatible"] * self.version_compatible
        if self.kind is PlanKind.TENSORRT_RTX:
            options.append("--rtx")
        elif self.hardware_compatible:
            options.append("--hardware-compatible")
        return f"dynast build-engine {' '.join(options)} -o {shell_word(str(plan))}"


def _parsed(name: str, value: Any) -> Any:
    """The value of one field of a manifest.

    Raises:
        ValueError: Where it is of another kind or cannot be.
    """
    try:
        return _PARSERS[name](value)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise ValueError(f"{name} is {printable(repr(value)[:80])}") from None


def _text(value: Any) -> str:
    """Words that are only ever shown, made fit for that.

    Raises:
        ValueError: Where it is not text, empty or too long.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TEXT:
        raise ValueError(value)
    return printable(value)


def _or_none(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else parse(value)


def _one_of(*known: str) -> Callable[[Any], str]:
    def parse(value: Any) -> str:
        return known[known.index(value)]

    return parse


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _count(value: Any) -> int:
    if type(value) is not int or not 0 < value <= _MOST:
        raise ValueError(value)
    return value


def _side(value: Any) -> int:
    return -1 if value == -1 and type(value) is int else _count(value)


def _list_of(parse: Callable[[Any], Any], least: int = 0) -> Callable[[Any], tuple[Any, ...]]:
    def parse_all(values: Any) -> tuple[Any, ...]:
        if not isinstance(values, list) or not least <= len(values) <= _MOST_ITEMS:
            raise ValueError(values)
        return tuple(parse(value) for value in values)

    return parse_all


def _tensor(value: Any) -> TensorSpec:
    name = value["name"]
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_TEXT or len(value["shape"]) > 8:
        raise ValueError(value)
    return TensorSpec(name, _one_of(*DTYPES)(value["dtype"]), _list_of(_side)(value["shape"]))


def _batch(value: Any) -> BatchSizes:
    sizes = BatchSizes(**{name: _count(size) for name, size in value.items()})
    if not sizes.min <= sizes.opt <= sizes.max:
        raise ValueError(value)
    return sizes


_LONGEST_TEXT, _MOST, _MOST_ITEMS = 4096, 2**24, 10_000
DTYPES = {"float32": 4, "int32": 4, "float16": 2, "uint8": 1}
"""Types of inputs and outputs, with their bytes."""
_tensors = _list_of(_tensor)
_PARSERS: dict[str, Callable[[Any], Any]] = {
    "kind": PlanKind,
    "library_version": _text,
    "gpu": _or_none(_text),
    "compute_capabilities": _list_of(_text, least=1),
    "precision": Precision,
    "task": _or_none(_one_of(*Task)),
    "channels": _count,
    "height": _count,
    "width": _count,
    "batch": _batch,
    "version_compatible": _flag,
    "hardware_compatible": _flag,
    "encoder_inputs": _tensors,
    "encoder_outputs": _tensors,
    "renderer_inputs": _tensors,
    "renderer_outputs": _tensors,
    "cut_tensors": _list_of(lambda value: _tensor({"name": value, "dtype": "uint8", "shape": []}).name),
    "source": _text,
    "source_sha256": _text,
    "plugin_version": _or_none(_text),
    "producer_version": _text,
    "calibration": _or_none(_text),
}
