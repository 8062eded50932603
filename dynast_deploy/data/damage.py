"""What can be wrong with the files of a data set."""

from __future__ import annotations

from pathlib import Path

from dynast_deploy.errors import DynastError


class DataError(DynastError):
    """A data set that cannot be trained on as it is.

    A worker process hands an exception on as its printed traceback, in whose last line the message is looked for.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message.rpartition(f"{__name__}.{type(self).__name__}: ")[2].strip())


class Damaged(Exception):
    """One file that cannot be used; its sample is passed over and counted."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
