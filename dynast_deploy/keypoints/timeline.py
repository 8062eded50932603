"""Which frame of a file belongs to which frame of a video: by place, or by the numbers that the file gives."""

from __future__ import annotations

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.recording import MOST_FRAMES, Recording

NOTHING = -1


def timeline(recording: Recording, frames: int | None = None) -> np.ndarray | None:
    """For each frame of a video, from 0, its place in the recording, or `NOTHING` where that has none: int64 [T].

    `frames` is the number of the video's frames where it is known. A recording of as many frames belongs to them one by
    one. Else its numbers decide: they count from 0 or 1, or from their lowest, whichever ends with the video; a number
    that is missing is a frame without a person. None where nothing fits.

    Raises:
        DynastError: Where numbers lie farther apart than frames of a video do.
    """
    count, numbers = len(recording.frames), recording.numbers()
    by_place = np.arange(count)
    if frames == count or numbers is None:
        return by_place if frames in (None, count) else None
    lowest, highest = numbers[0], numbers[-1]
    if frames is None:
        if not recording.leaves_out:
            return by_place
        first = min(lowest, recording.first) if recording.open_ended and highest < MOST_FRAMES else lowest
        if highest - first >= MOST_FRAMES:
            raise DynastError(
                f"{recording.origin}: frames {lowest} to {highest}; at most {MOST_FRAMES} are read"
            )
        return _placed(numbers, first, highest - first + 1)
    firsts = sorted({0, 1, lowest}, reverse=True)
    for first in firsts:
        if first <= lowest and highest - first + 1 == frames:
            return _placed(numbers, first, frames)
    first = min(lowest, recording.first)
    return _placed(numbers, first, frames) if recording.open_ended and highest - first < frames else None


def gaps(places: np.ndarray) -> str:
    """The frames without a place, in words: "2, 3 and 17 more"; empty where there are none.

    `places` is int [T], as `timeline` gives it.
    """
    missing = np.flatnonzero(places == NOTHING)
    shown = ", ".join(str(number) for number in missing[:5])
    return f"{shown} and {len(missing) - 5} more" if len(missing) > 5 else shown


def _placed(numbers: list[int], first: int, frames: int) -> np.ndarray:
    places = np.full(frames, NOTHING)
    places[[number - first for number in numbers]] = np.arange(len(numbers))
    return places
