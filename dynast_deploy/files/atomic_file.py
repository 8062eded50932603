"""Files that get their name only when they are whole."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from dynast_deploy.errors import DynastError
from dynast_deploy.files import partial_files
from dynast_deploy.files.names import longest_name, numbered

if TYPE_CHECKING:
    import numpy as np

_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or name another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or name another folder",
    errno.EFBIG: "the file is larger than this system allows; name another folder or raise the limit",
    errno.EROFS: "the file system is read-only; name another folder",
    errno.EACCES: "permission denied; name another folder or change its permissions",
    errno.EPERM: "permission denied; name another folder or change its permissions",
    errno.ENAMETOOLONG: "the name is too long; name a shorter one",
    errno.ENOENT: "its folder is gone; make it again or name another one",
    errno.ENOTDIR: "a part of its path is a file, not a folder; name another folder",
    errno.ELOOP: "its path is a link to itself; name another file",
    errno.EIO: "the disk or network share failed; name another folder",
}


class AtomicFile:
    """A place to write `path` under a temporary name in the same folder, `partial`, and the final rename.

    Until `commit` a file that exists at `path` stays as it is; a link there stays a link, and the file that it points
    to is replaced. As a context manager it gives `partial`, commits it on leaving normally and discards it on an
    exception:

        with AtomicFile(path) as partial:
            partial.write_text(text)

    An OSError in the block is raised as a DynastError that names `path`.
    """

    def __init__(self, path: Path) -> None:
        """Begin an empty file of another name in the folder of `path`.

        Raises:
            DynastError: When the folder is missing or cannot be written to, or `path` is a folder, a device or a
                read-only file.
        """
        check_writable_name(path)
        self.path = Path(os.path.realpath(path)) if os.path.islink(path) else path
        """Where the file is to be; after `commit` and `keep_beside`, where it is."""
        self._folder = -1
        try:
            self.partial, self._file = partial_files.create_file(self.path.parent, self.path.name)
            if os.rename in os.supports_dir_fd:
                self._folder = os.open(self.path.parent, getattr(os, "O_PATH", os.O_RDONLY))
        except OSError as error:
            failure = write_failure(path, error)
            raise failure from error

    @property
    def stream(self) -> str:
        """A path to write `partial` by, which stays right when the folder is renamed; Linux only has such paths."""
        held = f"/proc/self/fd/{self._file}"
        return held if os.path.exists(held) else str(self.partial.absolute())

    def commit(self) -> None:
        """Give the file its name, in one step, also where its folder was renamed or removed meanwhile.

        Raises:
            DynastError: Where that fails; the file is removed then.
        """
        try:
            try:
                self._rename(self.path)
            except FileNotFoundError:
                self._write_again()
        except OSError as error:
            failure = write_failure(self.path, error)
            raise failure from error
        finally:
            self.discard()

    def keep_beside(self, word: str = "partial") -> None:
        """Give the file a name of its own next to `path`, such as `out.partial.mp4`, and replace nothing.

        Raises:
            DynastError: Where that fails; the file is removed then.
        """
        for path in numbered(self.path, word):
            try:
                # The name is taken first: a rename would replace whatever has it.
                os.close(self._open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                continue
            except FileNotFoundError:  # the folder was removed, and with it what was not to be replaced
                break
            except OSError as error:
                self.discard()
                failure = write_failure(path, error)
                raise failure from error
            self.path = path
            break
        self.commit()

    def discard(self) -> None:
        """Remove what was written, and nothing after `commit`; safe to call again."""
        self._close_file()
        with suppress(OSError):
            if self._folder >= 0:
                os.unlink(self.partial.name, dir_fd=self._folder)
            else:
                self.partial.unlink()
        if self._folder >= 0:
            os.close(self._folder)
            self._folder = -1

    def __enter__(self) -> Path:
        return self.partial

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.commit()
            return
        self.discard()
        if isinstance(error, OSError):
            raise write_failure(self.path, error) from error

    def _rename(self, path: Path) -> None:
        if self._folder < 0:
            self._close_file()  # Windows renames no open file
            os.replace(self.partial, path)
            return
        os.replace(self.partial.name, path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        if not partial_files.is_open_as(path, self._file):  # the folder was renamed
            with suppress(OSError):
                self.path = Path(os.readlink(f"/proc/self/fd/{self._folder}")) / path.name

    def _open(self, path: Path, flags: int) -> int:
        if self._folder < 0:
            return os.open(path, flags, 0o666)
        return os.open(path.name, flags, 0o666, dir_fd=self._folder)

    def _write_again(self) -> None:
        """The folder or the partial file was removed, but its contents are there as long as they are open.

        Raises:
            FileNotFoundError: Where nothing was written yet.
            OSError: Where it cannot be written.
        """
        if self._file < 0 or not os.fstat(self._file).st_size:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        path, descriptor = partial_files.create_file(self.path.parent, self.path.name)
        try:
            with open(descriptor, "wb") as target, open(self._file, "rb", closefd=False) as source:
                source.seek(0)
                shutil.copyfileobj(source, target, 1 << 20)
                target.flush()
                os.replace(path, self.path)
        finally:
            path.unlink(missing_ok=True)

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all.

    Raises:
        DynastError: Where it cannot be written.
    """
    with AtomicFile(path) as partial:
        partial.write_text(text, encoding="utf-8")


def save_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a compressed `.npz`, whole or not at all. Arrays may have any shape.

    Raises:
        DynastError: Where it cannot be written.
    """
    import numpy as np

    with AtomicFile(path) as partial:
        np.savez_compressed(partial, **arrays)  # type: ignore[arg-type]


def check_writable_name(path: Path) -> None:
    """Look at what can be known of an output before it is begun.

    Raises:
        DynastError: Where `path` cannot become a file: no folder for it, something else of that name, a read-only file,
            or a name that is too long.
    """
    # Not Path's own methods: they raise for a name that is too long.
    if not os.path.isdir(path.parent):
        raise DynastError(f"{path} cannot be written: there is no folder {path.parent}; create it first")
    if os.path.isdir(path):
        raise DynastError(f"{path} cannot be written: it is a folder; name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):
        raise DynastError(f"{path} cannot be written: it is not a regular file; name another one")
    # A rename asks for no permission of the file that it replaces.
    if os.path.exists(path) and not os.stat(path).st_mode & 0o222:
        raise DynastError(f"{path} cannot be written: it is read-only; name another file or make it writable")
    if len(os.fsencode(path.name)) > (most := longest_name(path.parent)):
        raise DynastError(
            f"{path} cannot be written: its name is longer than {most} bytes; name a shorter one"
        )


def is_write_failure(error: OSError) -> bool:
    """Whether `error` says that the place written to gave out (full disk, quota, permission), not the program."""
    return error.errno in _REASONS


def write_failure(path: Path, error: OSError) -> DynastError:
    """The error to raise when writing `path` failed with `error`."""
    reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
    return DynastError(f"{path} cannot be written: {reason}")
