"""Hidden files and folders that are being written, and those that dead processes left.

Whoever writes one holds a lock on it (`flock`, which also works between the machines of a network share and ends with
the process). One without a lock is left over, and is removed before the first new one in its folder is made.
Windows has no such lock, but refuses to remove a file that is open.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import re
import shutil
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dynast_deploy.files.names import first_bytes, longest_name

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_NAME = re.compile(r"\..*\.partial-\d+-\d+(\..*)?", re.DOTALL)
_LONGEST_SUFFIX = 32
_numbers = itertools.count()


def create_file(folder: Path, name: str) -> tuple[Path, int]:
    """An empty hidden file for what will be `name` in `folder`, and its open descriptor, which holds the lock.

    It ends in the suffix of `name`, so that libraries that go by the suffix choose the right format.

    Raises:
        OSError: Where it cannot be created.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    return _created(folder, name, lambda path: os.open(path, flags, 0o666))


def create_folder(folder: Path, name: str) -> tuple[Path, int]:
    """An empty hidden folder, as `create_file`; the descriptor is -1 on Windows.

    Raises:
        OSError: Where it cannot be created.
    """

    def make(path: Path) -> int:
        path.mkdir(0o700)
        return os.open(path, os.O_RDONLY) if fcntl else -1

    return _created(folder, name, make)


def remove_left_over(folder: Path) -> None:
    """Remove what dead processes left in `folder`; what cannot be removed stays."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in list(entries):
            if _NAME.fullmatch(entry.name):
                with suppress(OSError):
                    _remove_if_dead(entry)


def is_open_as(path: Path, descriptor: int) -> bool:
    """Whether `path` still names the file or folder that `descriptor` was opened for."""
    if descriptor < 0:
        return True
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except OSError:
        return False


@functools.cache
def _remove_left_over_once(folder: str) -> None:
    remove_left_over(Path(folder))


def _created(folder: Path, name: str, make: Callable[[Path], int]) -> tuple[Path, int]:
    _remove_left_over_once(os.path.abspath(folder))
    stem, suffix = os.path.splitext(name)
    while True:
        ending = f".partial-{os.getpid()}-{next(_numbers)}"
        if len(os.fsencode(suffix)) <= _LONGEST_SUFFIX:
            ending += suffix
        path = folder / f".{first_bytes(stem, longest_name(folder) - len(ending) - 1)}{ending}"
        try:
            descriptor = make(path)
        except FileExistsError:
            continue
        if _locked(descriptor) and is_open_as(path, descriptor):
            return path, descriptor
        # Another process took it for a dead one's, before it was locked.
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Lock it; False where another process has the lock. File systems without locks count as locked."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno != errno.EWOULDBLOCK
    return True


def _remove_if_dead(entry: os.DirEntry[str]) -> None:
    is_folder = entry.is_dir(follow_symlinks=False)
    if not (is_folder or stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode)):
        return
    if fcntl is None:
        if not is_folder:
            os.unlink(entry.path)
        return
    # A lock for one alone needs a descriptor that may write, on network shares.
    descriptor = os.open(entry.path, (os.O_RDONLY if is_folder else os.O_RDWR) | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if is_folder:
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)
    finally:
        os.close(descriptor)
