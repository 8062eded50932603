"""What kind of engine file something is, by what it holds: names such as `last.ckpt` or `model.engine` say little."""

from __future__ import annotations

import os
import stat
import struct
import zipfile
from enum import StrEnum
from pathlib import Path

from dynast_deploy.errors import DynastError


class FileKind(StrEnum):
    """The kinds of files that are read here."""

    CHECKPOINT = "checkpoint"
    SAFETENSORS = "safetensors"
    ONNX = "onnx"
    PLAN = "plan"
    ARCHIVE = "archive"
    """A zip archive of none of these kinds."""

    @property
    def is_checkpoint(self) -> bool:
        """Whether PyTorch reads it."""
        return self in (FileKind.CHECKPOINT, FileKind.SAFETENSORS)


_HEAD = 512
_DOWNLOAD_AGAIN = "download the file itself"
_FOREIGN = (
    (
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, not the file it stands for: run git lfs pull",
    ),
    (b"ftrt", "a bare TensorRT plan without what dynast-run has to know: build one with dynast build-engine"),
    (b"\x1f\x8b", "a gzip archive: unpack it"),
    (b"BZh", "a bzip2 archive: unpack it"),
    (b"\xfd7zXZ\0", "an xz archive: unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (b"Rar!", "a RAR archive: unpack it"),
    (
        b"L119547037146038801333356L\n.",  # what every checkpoint of the old layout begins with, as text
        "a checkpoint in protocol 0 or 1 of pickle: save it again with torch.save, without pickle_protocol",
    ),
    (b"\x89HDF\r\n", "an HDF5 file; checkpoints are PyTorch's here: .pth"),
    (b"\x93NUMPY", "a NumPy array, not an engine or checkpoint"),
    (b"\x89PNG", "a PNG picture, not an engine or checkpoint"),
    (b"\xff\xd8\xff", "a JPEG picture, not an engine or checkpoint"),
    (b"\x7fELF", "a program or library, not an engine or checkpoint"),
)
"""First bytes, and what such a file is."""
_TAR_MAGIC = 257, b"ustar"
_ONNX_FIELDS = frozenset(
    number << 3 | wire for number, wire in ((2, 2), (3, 2), (4, 2), (5, 0), (6, 2), (7, 2), (8, 2), (14, 2))
)
_LARGEST_IR_VERSION = 32


def kind_of(path: str | os.PathLike[str]) -> FileKind:
    """The kind of the file at `path`.

    Raises:
        DynastError: Where there is no such file, where it cannot be read, and where it is of no kind that is known
            here; the message says what it is instead (a web page, a Git LFS pointer, an archive, text, nothing).
    """
    path = Path(path)
    try:
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            raise DynastError(f"{path}: is a folder; name the engine or checkpoint in it")
        if not stat.S_ISREG(found.st_mode):
            raise DynastError(f"{path}: is not a regular file")
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except (FileNotFoundError, NotADirectoryError):
        raise DynastError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise DynastError(f"{path}: cannot be read ({reason})") from None
    if head.startswith(b"PK"):
        return _of_archive(path, head)
    if head.startswith(b"\x80") and head[1:2] <= b"\x05":
        return FileKind.CHECKPOINT  # a bare pickle, as PyTorch wrote checkpoints before 1.6
    if _is_safetensors(head, found.st_size):
        return FileKind.SAFETENSORS
    if foreign := _foreign(head):
        raise DynastError(f"{path}: is {foreign}")
    if _is_onnx(head):
        return FileKind.ONNX
    raise DynastError(
        f"{path}: damaged, or no file of a kind known here; there are checkpoints (.pth, .safetensors), ONNX files and "
        "plans (from dynast build-engine)"
    )


def _of_archive(path: Path, head: bytes) -> FileKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (
        OSError,
        ValueError,
        NotImplementedError,
        zipfile.BadZipFile,
        struct.error,
        MemoryError,
        OverflowError,
    ):
        first = head[30 : 30 + int.from_bytes(head[26:28], "little")]
        what = (
            "engine bundle"
            if first == b"manifest.json"
            else "checkpoint"
            if first.endswith(b"data.pkl")
            else "file"
        )
        raise DynastError(
            f"{path}: damaged or cut short, no whole {what}; copy or download it again"
        ) from None
    if any(name.endswith("/constants.pkl") for name in names):
        raise DynastError(
            f"{path}: is a TorchScript program (torch.jit.save), which is code; save the generator's state_dict()"
        )
    if any(name == "data.pkl" or name.endswith("/data.pkl") for name in names):
        return FileKind.CHECKPOINT
    return FileKind.PLAN if "manifest.json" in names else FileKind.ARCHIVE


def _is_safetensors(head: bytes, size: int) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= size - 8


def _is_onnx(head: bytes) -> bool:
    """Whether the bytes may begin a ModelProto: its version of the format, then another field of it."""
    return (
        len(head) > 2 and head[0] == 0x08 and 0 < head[1] <= _LARGEST_IR_VERSION and head[2] in _ONNX_FIELDS
    )


def _foreign(head: bytes) -> str | None:
    """What a file is that is none of ours; None where its first bytes do not show it."""
    if not head:
        return f"empty: {_DOWNLOAD_AGAIN}"
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            return what
    if head[_TAR_MAGIC[0] :].startswith(_TAR_MAGIC[1]):
        return "a tar archive: unpack it"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<!--", b"<script")):
        return f"a web page, probably saved in place of a download: {_DOWNLOAD_AGAIN}"
    if not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head) and _is_utf8(head):
        return "text, not an engine or checkpoint; a download may have got a message in place of the file"
    return None


def _is_utf8(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character cut in two by the end of the head
    return True
