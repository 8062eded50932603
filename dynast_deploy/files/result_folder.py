"""The folder for a command's results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import write_failure


@contextmanager
def result_folder(folder: Path) -> Iterator[Path]:
    """Make `folder`, and the folders above it that are missing; on leaving, those that stayed empty are removed again.

    So it can be made before the work, which tells whether it can be made at all.

    Raises:
        DynastError: Where it cannot be made.
    """
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise DynastError(f"{folder} is a file; name a folder for the results")
    missing = [path for path in (folder, *folder.parents) if not os.path.exists(path)]
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            failure = write_failure(folder, error)
            raise failure from error
        yield folder
    finally:
        for path in missing:
            with suppress(OSError):
                path.rmdir()
