"""`model.plan`: the two TensorRT plans of an engine and what they need to run, in one file.

The file is a zip archive, stored and not compressed: `manifest.json`, `encoder.plan` and `renderer.plan`. `unzip` gives
plans that `trtexec --loadEngine` takes; here they are mapped where they lie, since they begin on pages. TensorRT checks
little of what it is given and says little of what it minds, so the manifest is compared with the machine before a plan
is deserialised (`plan_check.py`). Standard library only.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.formats.precision import Precision
from dynast_deploy.printable import printable, shell_word

if TYPE_CHECKING:
    from typing_extensions import Buffer

FORMAT = 1
MOST_MANIFEST = 4_000_000
"""Bytes of a manifest that are read, whatever the archive says; those of the largest engines have 40,000."""
MANIFEST, ENCODER, RENDERER = "manifest.json", "encoder.plan", "renderer.plan"
_PAGE = 4096
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, ..., length of the name, length of the extra field
_ALIGNMENT_FIELD = 0xD935  # the extra field that Android's zipalign writes: what follows is padding
_ZIP64_FIELD = 20  # bytes that zipfile adds to the header of a large entry


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


def write_plan_file(path: Path, manifest: Manifest, encoder: Buffer, renderer: Buffer) -> None:
    """Write the bundle; `encoder` and `renderer` are serialised plans, as TensorRT's builder returns them.

    Raises DynastError where it cannot be written; an earlier file stays as it was then, and no partial one is left.
    """
    with AtomicFile(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as archive:
        _add(archive, MANIFEST, manifest.to_json().encode())
        _add(archive, ENCODER, encoder)
        _add(archive, RENDERER, renderer)


def _add(archive: zipfile.ZipFile, name: str, data: Buffer) -> None:
    """Store an entry whose contents begin on a page."""
    view = memoryview(data).cast("B")
    entry = zipfile.ZipInfo(name)
    entry.external_attr = 0o644 << 16
    entry.file_size = len(view)
    assert archive.fp is not None
    is_large = len(view) * 1.05 > zipfile.ZIP64_LIMIT  # zipfile's own rule
    contents = archive.fp.tell() + _LOCAL_HEADER.size + len(name) + 4 + (_ZIP64_FIELD if is_large else 0)
    padding = -contents % _PAGE
    entry.extra = struct.pack("<HH", _ALIGNMENT_FIELD, padding) + bytes(padding)
    with archive.open(entry, "w") as target:
        target.write(view)


class Plans(NamedTuple):
    """The serialised plans: read-only views of the file, which stays mapped as long as one of them is kept."""

    encoder: memoryview
    renderer: memoryview


def read_manifest(path: str | os.PathLike[str]) -> Manifest:
    """The manifest alone. Raises DynastError if the file is missing, cut short, or no bundle of this project."""
    with _opened(path) as (archive, _):
        return _manifest(archive, path)


def read_plans(path: str | os.PathLike[str]) -> Plans:
    """The plans of a bundle, compared with their checksums.

    Raises DynastError if the file is missing, cut short, damaged, or no bundle of this project.
    """
    with _opened(path) as (archive, file):
        _manifest(archive, path)
        whole = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return Plans(*(_entry(archive, whole, name, path) for name in (ENCODER, RENDERER)))


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[zipfile.ZipFile, BinaryIO]]:
    if not Path(path).is_file():
        raise DynastError(f"{path}: no such engine file")
    try:
        with open(path, "rb") as file:
            try:
                archive = zipfile.ZipFile(file)
            except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error, OverflowError):
                raise DynastError(
                    f"{path}: no engine bundle, or cut short; copy it again, or build it with: dynast build-engine"
                ) from None
            yield archive, file
    except OSError as error:
        raise DynastError(f"{path}: cannot be read ({error.strerror})") from None


def _manifest(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> Manifest:
    missing = sorted({MANIFEST, ENCODER, RENDERER} - set(archive.namelist()))
    if missing:
        raise DynastError(
            f"{path}: a zip archive, but no engine bundle of this project (it has no {', '.join(missing)}); "
            "build one with: dynast build-engine"
        )
    try:
        with archive.open(MANIFEST) as stream:
            text = stream.read(MOST_MANIFEST + 1)
        if len(text) > MOST_MANIFEST:
            raise ValueError(f"it has more than {MOST_MANIFEST:,} bytes")
        return Manifest.from_json(text)
    except (
        ValueError,
        RuntimeError,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        struct.error,
        OverflowError,
    ) as error:
        # RuntimeError is what zipfile says of an encrypted entry and of an unknown method.
        raise DynastError(
            f"{path}: its {MANIFEST} cannot be used: {error}; build it again with: dynast build-engine"
        ) from None


def _entry(
    archive: zipfile.ZipFile, whole: memoryview, name: str, path: str | os.PathLike[str]
) -> memoryview:
    """The contents of a stored entry where they lie in the file.

    Raises:
        DynastError: Where they are damaged.
    """
    entry = archive.getinfo(name)
    header = whole[entry.header_offset : entry.header_offset + _LOCAL_HEADER.size]
    contents = whole[:0]
    if len(header) == _LOCAL_HEADER.size and entry.compress_type == zipfile.ZIP_STORED:
        signature, name_length, extra_length = _LOCAL_HEADER.unpack(header)
        begin = entry.header_offset + _LOCAL_HEADER.size + name_length + extra_length
        if signature == b"PK\x03\x04":
            contents = whole[begin : begin + entry.file_size]
    if not contents or len(contents) != entry.file_size or zlib.crc32(contents) != entry.CRC:
        raise DynastError(
            f"{path}: {name} in it is damaged; copy the file again, or build it with: dynast build-engine"
        )
    return contents
