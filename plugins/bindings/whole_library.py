"""Is a native library whole? Loading one that was cut short or altered ends the process instead of raising an error.

A library is sealed when it is built: its SHA-256 stands behind its last byte, where loaders do not look. macOS signs
libraries as they are linked and refuses bytes behind the signature, so they are not sealed there. Standard library
only.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

_MARK = b"dynast-sha256:"
_LENGTH = len(_MARK) + 64


def seal(content: bytes) -> bytes:
    """The library with its hash behind it."""
    return content + _MARK + hashlib.sha256(content).hexdigest().encode()


def seal_file(path: Path) -> None:
    """`seal` of the library at `path`."""
    path.write_bytes(seal(path.read_bytes()))


def is_whole(content: bytes) -> bool:
    """Whether a library is as it was built; of one without a seal, whether it was cut short."""
    if content[-_LENGTH:].startswith(_MARK):
        return seal(content[:-_LENGTH]) == content
    if content[:5] != b"\x7fELF\x02":
        return True
    if len(content) < 64:
        return False
    # Linkers write the table of sections last.
    order: Literal["little", "big"] = "little" if content[5] == 1 else "big"
    begin = int.from_bytes(content[40:48], order)
    size, count = (int.from_bytes(content[at : at + 2], order) for at in (58, 60))
    return begin + size * count <= len(content)
