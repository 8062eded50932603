"""What a command is about to write, set against all that it reads, before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile, check_writable_name, write_failure

Given: TypeAlias = str | os.PathLike[str]
Read: TypeAlias = Mapping[str, Given | Iterable[Given] | None]
"""What is read, by words such as "exemplar being read" (an output must not be it): a file or folder, several, None."""

_BLOCK = 4096

Identity: TypeAlias = tuple[int, int]
"""Device and number of a file or folder: the same for every link to it, and for every spelling of its name."""


def check_written(written: Mapping[str, Path | Iterable[Path] | None], read: Read) -> None:
    """Check the files that a command is about to write.

    `written` are files by the option that names them, such as "--json". What is read need not exist; a folder stands
    for all files in it. One file of each folder is begun and removed again, which tells a full or read-only disk.

    Raises:
        DynastError: Where a file cannot be written, or would replace one that the same command reads or writes.
    """
    check_not_read(written, read)
    tried: set[Path] = set()
    for _, path in _each(written):
        if path.parent in tried:
            check_writable_name(path)
        else:
            _begin(path)
            tried.add(path.parent)


def _begin(path: Path) -> None:
    """Write a block of what is to be `path` and remove it again; a full disk still takes empty files.

    Raises:
        DynastError: Where that cannot be written.
    """
    file = AtomicFile(path)
    try:
        with open(file.stream, "wb", buffering=0) as stream:
            stream.write(bytes(_BLOCK))
    except OSError as error:
        failure = write_failure(path, error)
        raise failure from error
    finally:
        file.discard()


def check_not_read(written: Mapping[str, Path | Iterable[Path] | None], read: Read) -> None:
    """The half of `check_written` that looks at names alone, for folders that have yet to be made.

    Raises:
        DynastError: Where a file would replace one that the same command reads or writes.
    """
    files, folders = _identities(read)
    taken: dict[Identity | str, str] = {}
    for option, path in _each(written):
        identity = identity_of(path)
        if identity is not None:
            if identity in files:
                error = _is_read(option, path, *files[identity], "file")
                raise error
            if (folder := _folder_around(path, folders)) is not None:
                raise DynastError(f"{option} {path} is a file of {folder}, which is read; name another file")
        # A file that is not there yet is known by its name alone.
        key = identity or os.path.normcase(os.path.realpath(path))
        if key in taken:
            raise DynastError(f"{option} {path}: {taken[key]} writes the same file; name another one")
        taken[key] = option


def check_written_folder(option: str, folder: Path, read: Read) -> None:
    """Check the folder that a command is about to write results to.

    Raises:
        DynastError: Where it is one that is read.
    """
    identity = identity_of(folder)
    folders = _identities(read)[1]
    if identity is not None and identity in folders:
        error = _is_read(option, folder, *folders[identity], "folder")
        raise error


def identity_of(path: Given) -> Identity | None:
    """None where there is nothing of that name."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def _identities(read: Read) -> tuple[dict[Identity, tuple[str, Path]], dict[Identity, tuple[str, Path]]]:
    """The files and the folders that exist, each with what it is and as it was named."""
    files: dict[Identity, tuple[str, Path]] = {}
    folders: dict[Identity, tuple[str, Path]] = {}
    for what, path in _each(read):
        if (identity := identity_of(path)) is not None:
            (folders if os.path.isdir(path) else files)[identity] = what, path
    return files, folders


def _each(named: Mapping[str, Given | Iterable[Given] | None]) -> Iterator[tuple[str, Path]]:
    for name, given in named.items():
        paths = [given] if isinstance(given, (str, os.PathLike)) else given or ()
        yield from ((name, Path(path)) for path in paths)


def _folder_around(path: Path, folders: Mapping[Identity, tuple[str, Path]]) -> Path | None:
    """Which of `folders` a file lies in, at any depth."""
    if not folders:
        return None
    for parent in Path(os.path.realpath(path)).parents:
        if (identity := identity_of(parent)) in folders:
            assert identity is not None
            return folders[identity][1]
    return None


def _is_read(option: str, written: Path, what: str, read: Path, kind: str) -> DynastError:
    link = "" if written == read else f" (the same as {read})"
    return DynastError(f"{option} {written} is the {what}{link}; name another {kind}")
