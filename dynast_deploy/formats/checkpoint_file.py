"""The contents of a checkpoint file, read without running any code of it and without trusting its numbers.

`torch.load(weights_only=True)` runs no code, but it does build what a file asks for: a byte array of any length, a
tensor of any shape, entries that inflate to gigabytes. So the archive's directory and the pickle's instructions are
looked through first, which costs neither memory nor much time.
"""

from __future__ import annotations

import os
import pickletools
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch.serialization import safe_globals

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.checkpoint_safetensors import read_safetensors
from dynast_deploy.formats.checkpoint_scalars import STAND_INS
from dynast_deploy.formats.file_kind import FileKind, kind_of
from dynast_deploy.printable import cut

MOST_INSTRUCTIONS = 1_000_000
"""Of a pickle; a checkpoint of a thousand tensors with its optimiser has fifty thousand."""
MOST_INFLATION = 2
"""How many times its own size an archive may hold. PyTorch compresses nothing."""

_PLAIN = frozenset({
    *STAND_INS,
    "collections.OrderedDict",
    "collections.Counter",
    "_codecs.encode",
    "builtins.set",
    "builtins.complex",
    "__builtin__.set",
    "__builtin__.complex",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch.nn.parameter.Parameter",
    "torch.Size",
    "torch.device",
    "torch.storage.UntypedStorage",
    *map(str, {getattr(torch, name) for name in dir(torch) if isinstance(getattr(torch, name), torch.dtype)}),
    *(f"torch.{kind}Storage" for kind in (
        "Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat",
        "ComplexDouble", "QInt8", "QUInt8", "QInt32",
    )),
})  # fmt: skip
"""What dense tensors in memory and plain values are made of."""
_SPECIAL_TENSORS = (
    "torch._utils.",
    "torch._tensor.",
    "torch.serialization.",
    "builtins.bytearray",
    "__builtin__.bytearray",
)
_PROTOCOLS = (2, 3)
"""Of pickle, that PyTorch reads without running code; the others have instructions that it does not take."""
_LEGACY_PICKLES = 4
"""Before the tensors' data a file of PyTorch before 1.6 has these: a number, a version, the system, the contents."""


def read_checkpoint(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """The file's dictionary: tensors on the CPU and plain values, of a PyTorch file (`.pth`) or of safetensors.

    Nothing is known of the values but that their data lie in the file.

    Raises:
        DynastError: Where the file is missing, damaged or of another kind, where it holds more than dense tensors and
            plain values, and beyond MOST_INSTRUCTIONS or MOST_INFLATION.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind is FileKind.SAFETENSORS:
        return read_safetensors(path)
    if kind is not FileKind.CHECKPOINT:
        raise DynastError(f"{path}: is not a checkpoint, but {_NAMES[kind]}")
    _check_instructions(path)
    try:
        with warnings.catch_warnings(), safe_globals([(call, name) for name, call in STAND_INS.items()]):
            warnings.simplefilter("ignore")
            contents = torch.load(path, map_location="cpu", weights_only=True)
    except DynastError:
        raise
    except Exception:
        # A pickle is a program, even without its calls, and a damaged one fails in any way.
        raise DynastError(_damaged(path)) from None
    if not isinstance(contents, Mapping):
        raise DynastError(
            f"{path}: holds a {type(contents).__name__}, no generator state; save the generator's state_dict() instead"
        )
    return contents


_NAMES = {
    FileKind.ONNX: "an ONNX file; dynast from-onnx makes a checkpoint of one of this project",
    FileKind.PLAN: "an engine bundle",
    FileKind.ARCHIVE: "a zip archive of other files",
}


def _damaged(path: Path) -> str:
    return f"{path}: damaged, or not a PyTorch checkpoint; copy or download it again"


def _check_instructions(path: Path) -> None:
    """Refuse a pickle that builds more than dense tensors and plain values, before PyTorch reads it.

    Raises:
        DynastError: For such a pickle, and for a damaged one.
    """
    names: set[str] = set()
    try:
        with path.open("rb") as file:
            if zipfile.is_zipfile(file):
                _add_archive_names(path, file, names)
            else:
                file.seek(0)
                for _ in range(_LEGACY_PICKLES):
                    names.update(_names_in_pickle(path, file))
    except DynastError:
        raise
    except Exception:
        if names <= _PLAIN:
            raise DynastError(_damaged(path)) from None
    if foreign := sorted(names - _PLAIN):
        first = ", ".join(map(cut, foreign[:3])) + (
            f" and {len(foreign) - 3} more" if len(foreign) > 3 else ""
        )
        if all(name.startswith(_SPECIAL_TENSORS) for name in foreign):
            raise DynastError(
                f"{path}: refused, because it holds more than dense tensors in memory and plain values ({first}); save "
                "the generator's state_dict() alone, its tensors dense and on the CPU"
            )
        raise DynastError(
            f"{path}: refused, because it holds more than tensors and plain values ({first}), and loading that could "
            "run code; save the generator's state_dict() alone and load that"
        )


def _add_archive_names(path: Path, file: BinaryIO, names: set[str]) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        held, size = sum(entry.file_size for entry in entries), path.stat().st_size
        if held > MOST_INFLATION * size + 1_000_000:
            raise DynastError(
                f"{path}: refused, because its {size / 1e6:,.1f} MB unpack to {held / 1e6:,.1f} MB; PyTorch compresses "
                "nothing, so it is damaged, or made to fill the memory"
            )
        for entry in entries:
            if entry.filename.split("/")[-1] == "data.pkl":
                with archive.open(entry) as stream:
                    names.update(_names_in_pickle(path, stream))


def _names_in_pickle(path: Path, stream: Any) -> Iterator[str]:
    """The classes and functions that the pickle at the stream's place names; the stream then stands behind it.

    Raises:
        DynastError: Where it is too long, or of a protocol that PyTorch does not read without running code.
    """
    instructions = pickletools.genops(stream)
    protocol = 0
    for opcode, argument, _ in islice(instructions, MOST_INSTRUCTIONS):
        if opcode.name == "GLOBAL":
            yield ".".join(str(argument).split(" ", 1))
        elif opcode.name == "PROTO" and isinstance(argument, int):
            protocol = max(protocol, argument)
    if next(instructions, None) is not None:
        raise DynastError(
            f"{path}: refused, because its description has more than {MOST_INSTRUCTIONS:,} steps; a checkpoint has "
            "some thousand, so it is damaged, or made to keep a program busy"
        )
    if protocol not in _PROTOCOLS:
        raise DynastError(
            f"{path}: is in protocol {protocol} of pickle, which PyTorch reads only by running code; save the "
            "generator's state_dict() with torch.save, without pickle_protocol"
        )
