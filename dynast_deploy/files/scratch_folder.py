"""A hidden folder for files on their way, gone when the work is done or the next run sees that its owner is dead."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from dynast_deploy.files import partial_files


@contextmanager
def scratch_folder(parent: Path, name: str) -> Iterator[Path]:
    """An empty folder in `parent` for what concerns `name`, for this user alone; removed on leaving.

    What is renamed out of it, or the folder itself where it is renamed, stays.

    Raises:
        OSError: Where it cannot be made.
    """
    path, descriptor = partial_files.create_folder(parent, name)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        if descriptor >= 0:
            os.close(descriptor)


def temporary_folder(name: str) -> AbstractContextManager[Path]:
    """The same among the system's temporary files."""
    return scratch_folder(Path(tempfile.gettempdir()), name)
