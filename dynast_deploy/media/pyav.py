"""What differs between the versions of PyAV (17.1 to 19), in one place."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from av.container import InputContainer


class Ratio(Protocol):
    """A rational number of PyAV: `Fraction` before 19, `AVRational` since."""

    @property
    def numerator(self) -> int:
        """The number above the line."""

    @property
    def denominator(self) -> int:
        """The number below the line."""


def fraction(ratio: Ratio | None) -> Fraction | None:
    """`ratio` as a Fraction; None for one that is not set, which FFmpeg writes as 0/1, 1/0 or 0/0.

    PyAV gave None for those before 19. Its `AVRational` is not a `Fraction` and rounds to 32 bits where it meets
    another of its kind, so every rational is converted where it comes out of PyAV.
    """
    if ratio is None or not ratio.numerator or not ratio.denominator:
        return None
    return Fraction(ratio.numerator, ratio.denominator)


def open_input(path: Path) -> InputContainer:
    """Open the file `path`; names and values of its metadata that are not UTF-8 are not an error.

    Raises:
        FFmpegError: Where the file cannot be opened; some of them are OSError, too.
    """
    import av

    # Before 19 PyAV raised UnicodeDecodeError by default; since then it keeps the bytes as surrogates.
    harmless: dict[str, Any] = (
        {"metadata_errors": "replace"} if int(av.__version__.split(".")[0]) < 19 else {}
    )
    # Absolute, so that a colon in the name is not taken for a protocol.
    container: InputContainer = av.open(str(path.absolute()), **harmless)
    return container
