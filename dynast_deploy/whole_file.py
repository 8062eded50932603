"""Files that get their name only when they are whole."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dynast_deploy.errors import DynastError

if TYPE_CHECKING:
    import numpy as np

_number = itertools.count()
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or name another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or name another folder",
    errno.EFBIG: "the file is larger than this system allows; name another folder or raise the limit",
    errno.EROFS: "the file system is read-only; name another folder",
    errno.EACCES: "permission denied; name another folder or change its permissions",
}


class WholeFile:
    """A place to write `path` under a temporary name in the same folder, `partial`, and the final rename.

    Until `keep` a file that exists at `path` stays as it is. The temporary name starts with a dot and ends in the
    suffix of `path`, so that libraries that go by the suffix choose the right format.

    Raises DynastError at once when the folder is missing or cannot be written to, or `path` is a folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.parent.is_dir():
            raise DynastError(f"{path} cannot be written: there is no folder {path.parent}; create it first")
        if path.is_dir():
            raise DynastError(f"{path} cannot be written: it is a folder; name a file in it")
        self.path = path
        name = f".{path.stem[:80]}.partial-{os.getpid()}-{next(_number)}{path.suffix}"
        self.partial = path.parent / name
        try:
            self.partial.open("wb").close()
        except OSError as error:
            raise write_failure(path, error) from error

    def keep(self) -> None:
        """Give the file its name, in one step; raises DynastError and removes it where that fails."""
        try:
            os.replace(self.partial, self.path)
        except OSError as error:
            self.discard()
            raise write_failure(self.path, error) from error

    def discard(self) -> None:
        """Remove what was written; safe to call again."""
        self.partial.unlink(missing_ok=True)


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a compressed `.npz`, whole or not at all; raises DynastError where it cannot be written."""
    import numpy as np

    whole = WholeFile(path)
    try:
        np.savez_compressed(whole.partial, **arrays)  # type: ignore[arg-type]
        whole.keep()
    except OSError as error:
        raise write_failure(path, error) from error
    finally:
        whole.discard()


def is_write_failure(error: OSError) -> bool:
    """Whether `error` says that the place written to gave out (full disk, quota, permission), not the program."""
    return error.errno in _REASONS


def write_failure(path: Path, error: OSError) -> DynastError:
    """The error to raise when writing `path` failed with `error`."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return DynastError(f"{path} cannot be written: {reason}")
