"""The primaries that PNG, AVIF and HEIF may state by number (ITU-T H.273) in place of a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

# Both lie before the pixels.
_SEARCHED = 1 << 20
_PNG_SIGNATURE = 8
_PATH_TO_COLOUR = (b"meta", b"iprp", b"ipco", b"colr")


def stated_primaries(picture: Image) -> tuple[int, int] | None:
    """(primaries, transfer) by H.273; None where the file does not state them so.

    PNG has them in the chunk cICP (third edition, 11.3.2.6), AVIF and HEIF in the box colr of type nclx (ISO/IEC
    14496-12, 12.1.5).
    """
    find = {"PNG": _in_png, "AVIF": _in_heif, "HEIF": _in_heif}.get(picture.format or "")
    name: Any = getattr(picture, "filename", None)
    if find is None or not name:
        return None
    try:
        with open(name, "rb") as file:
            return find(file.read(_SEARCHED))
    except OSError:
        return None


def _in_png(data: bytes) -> tuple[int, int] | None:
    position = _PNG_SIGNATURE
    while position + 12 <= len(data):
        size, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        if kind == b"IDAT":
            return None
        if kind == b"cICP" and size == 4:
            return data[position + 8], data[position + 9]
        position += 12 + size
    return None


def _in_heif(data: bytes) -> tuple[int, int] | None:
    inside = [data]
    for kind in _PATH_TO_COLOUR:
        # "meta" is a full box, with four bytes of version and flags before what it holds.
        skipped = 4 if kind == b"meta" else 0
        inside = [box[skipped:] for around in inside for box in _boxes(around, kind)]
    for colour in inside:
        if colour[:4] == b"nclx" and len(colour) >= 8:
            return int.from_bytes(colour[4:6], "big"), int.from_bytes(colour[6:8], "big")
    return None


def _boxes(data: bytes, kind: bytes) -> list[bytes]:
    """What the boxes of one kind hold."""
    found, position = [], 0
    while position + 8 <= len(data):
        size = int.from_bytes(data[position : position + 4], "big")
        if size < 8:  # a size in 64 bits, or to the end of the file, as only pixels have
            break
        if data[position + 4 : position + 8] == kind:
            found.append(data[position + 8 : position + size])
        position += size
    return found
