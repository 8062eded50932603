"""What a file or folder of keypoints holds: everybody in each of its frames, and what it says about the frames."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.files.natural_order import natural_name
from dynast_deploy.size import Size

MOST_FRAMES = 500_000
"""Over four hours at 30 frames a second; more in one file are refused."""

ENDING = re.compile(r"\.[a-z][a-z0-9]{1,4}$", re.IGNORECASE)
"""That of any kind of file."""

TOOLS = re.compile(r"(_keypoints|_poses?|\.poses)$", re.IGNORECASE)
"""What pose tools add to a picture's name."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a file.

    people: canonical float32 [P, 18, 3], everybody of whom anything is seen.
    canvas: Size of the picture, where it is stated.
    name: The picture's name, or that of the file that holds the frame alone, without endings; None where there is none.
    number: The frame's number where the file says it; not its place in the file.
    """

    people: np.ndarray
    canvas: Size | None = None
    name: str | None = None
    number: int | None = None


@dataclass(frozen=True)
class Recording:
    """All frames of a file or folder, in the order of their names or numbers, else as they stand.

    Attributes:
        origin: The file or folder, for messages.
        frames: At least one.
        leaves_out: Whether a number that is missing stands for a frame without a person: true where the numbers
            count frames of a video.
        open_ended: Whether such frames may be missing at the beginning and the end, too: true for tools that write
            nothing for them.
        first: The number of a video's first frame then.
    """

    origin: str
    frames: Sequence[Frame]
    leaves_out: bool = False
    open_ended: bool = False
    first: int = 1

    def numbers(self) -> list[int] | None:
        """The number of each frame, ascending, or None unless all have one."""
        numbers = [frame.number for frame in self.frames]
        found = [number for number in numbers if number is not None]
        return found if len(found) == len(numbers) and found == sorted(set(found)) else None


def printable(text: object) -> str:
    """Text of a file for messages: without what steers a terminal, and short."""
    return "".join(letter if letter.isprintable() else "?" for letter in str(text)[:40])


def picture_name(path: str) -> str:
    """What a picture and the file of its keypoints share: `photos/a.png` and `a_keypoints.json` are `a`."""
    name = PurePosixPath(path.replace("\\", "/")).name[:255]
    return composed(TOOLS.sub("", ENDING.sub("", name)))


def composed(name: str) -> str:
    """A name as it compares: macOS hands letters and their accents out one by one, others as one character."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def numbered(names: Iterable[str]) -> tuple[list[int] | None, bool]:
    """The numbers at the end of names that differ in nothing else, and whether they are padded to one width.

    None where the names do not only count.
    """
    matches = [re.fullmatch(r"(.*?)([0-9]{1,18})", name) for name in names]
    if not matches or None in matches or len({match[1] for match in matches if match}) > 1:
        return None, False
    digits = [match[2] for match in matches if match]
    return [int(each) for each in digits], len({len(each) for each in digits}) == 1 and len(digits[0]) > 1


def checked(recording: Recording) -> Recording:
    """The recording itself, if its frames are neither none nor too many.

    Raises:
        DynastError: Where it holds no frame, or more than `MOST_FRAMES`.
    """
    if not recording.frames:
        raise DynastError(f"{recording.origin}: no frame of poses in it")
    if len(recording.frames) > MOST_FRAMES:
        raise DynastError(f"{recording.origin}: more than {MOST_FRAMES} frames; cut it with the video")
    return recording


def named(
    origin: str, frames: Iterable[Frame], leaves_out: bool = False, open_ended: bool = False, first: int = 1
) -> Recording:
    """Frames in the natural order of their names where all have one, else of their numbers.

    Names that only count give frames their numbers; numbers that come twice put nothing in order.
    """
    frames = list(frames)
    names = [frame.name for frame in frames if frame.name is not None]
    if len(set(names)) == len(frames):
        frames.sort(key=lambda frame: natural_name(frame.name or ""))
        numbers, _ = numbered([frame.name or "" for frame in frames])
        if numbers is not None:
            frames = [
                Frame(frame.people, frame.canvas, frame.name, number)
                for frame, number in zip(frames, numbers, strict=True)
            ]
    elif None not in (stated := {frame.number for frame in frames}) and len(stated) == len(frames):
        frames.sort(key=lambda frame: frame.number or 0)
    return Recording(origin, frames, leaves_out, open_ended, first)
