"""`model.plan`: the two TensorRT plans of an engine and what they need to run, in one file.

The file is a zip archive, stored and not compressed: `manifest.json`, `encoder.plan` and `renderer.plan`. `unzip` gives
plans that `trtexec --loadEngine` takes; here they are mapped where they lie, since they begin on pages. TensorRT checks
little of what it is given and says little of what it minds, so the manifest is compared with the machine before a plan
is deserialised (`runtime/trt/compatibility.py`). Standard library only.
"""

from __future__ import annotations

import mmap
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.formats.manifest import Manifest

if TYPE_CHECKING:
    from typing_extensions import Buffer

MOST_MANIFEST = 4_000_000
"""Bytes of a manifest that are read, whatever the archive says; those of the largest engines have 40,000."""
MANIFEST, ENCODER, RENDERER = "manifest.json", "encoder.plan", "renderer.plan"
_PAGE = 4096
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, ..., length of the name, length of the extra field
_ALIGNMENT_FIELD = 0xD935  # the extra field that Android's zipalign writes: what follows is padding
_ZIP64_FIELD = 20  # bytes that zipfile adds to the header of a large entry


def write_plan_file(path: Path, manifest: Manifest, encoder: Buffer, renderer: Buffer) -> None:
    """Write the bundle; `encoder` and `renderer` are serialised plans, as TensorRT's builder returns them.

    Raises:
        DynastError: Where it cannot be written; an earlier file stays as it was then, and no partial one is left.
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
    """The manifest alone.

    Raises:
        DynastError: Where the file is missing, cut short, or no bundle of this project.
    """
    with _opened(path) as (archive, _):
        return _manifest(archive, path)


def read_plans(path: str | os.PathLike[str]) -> Plans:
    """The plans of a bundle, compared with their checksums.

    Raises:
        DynastError: Where the file is missing, cut short, damaged, or no bundle of this project.
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
                    f"{path}: not an engine bundle, or cut short; copy it again, or build it with: dynast build-engine"
                ) from None
            yield archive, file
    except OSError as error:
        raise DynastError(f"{path}: cannot be read ({error.strerror})") from None


def _manifest(archive: zipfile.ZipFile, path: str | os.PathLike[str]) -> Manifest:
    missing = sorted({MANIFEST, ENCODER, RENDERER} - set(archive.namelist()))
    if missing:
        raise DynastError(
            f"{path}: a zip archive, but not an engine bundle of this project (it has no {', '.join(missing)}); "
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
