"""Every reader of the product, by the name that `fuzz.py --reader` takes."""

from __future__ import annotations

from importlib.util import find_spec

from fuzzing import data_readers, engine_readers, media_readers, pose_readers
from fuzzing.reader import Reader

READERS: dict[str, Reader] = {
    **media_readers.READERS,
    **pose_readers.READERS,
    **engine_readers.READERS,
    **data_readers.READERS,
}


def available() -> list[str]:
    """The readers whose libraries are installed."""
    return [name for name, reader in READERS.items() if reader.needs is None or find_spec(reader.needs)]
