"""Which frame of a file belongs to which picture: by the pictures' names, else by place where the file only counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.recording import Recording, composed, numbered, picture_name, printable


def pair(recording: Recording, pictures: Sequence[Path]) -> list[int]:
    """For each picture the place of its frame in the recording.

    Raises:
        DynastError: Where names in the recording fit some of the pictures only, or none, and where it has no names, or
            numbers alone, and another count than the pictures.
    """
    by_name = _by_name(recording, pictures) or _by_id(recording, pictures)
    if by_name is not None:
        return by_name
    count = len(recording.frames)
    if count == len(pictures):
        return list(range(count))
    if len(pictures) == 1:
        raise DynastError(
            f"{recording.origin} holds {count} poses, and {pictures[0].name} is one picture: name a file with its pose "
            "alone, or with poses by the names of pictures"
        )
    raise DynastError(
        f"{recording.origin} holds {count} poses for {len(pictures)} pictures: give one for each, in their order or by "
        "their names"
    )


def fits_picture(recording: Recording, picture: Path) -> bool:
    """Whether a recording that lies next to a picture is of that picture, not of a video of the same name."""
    if any(frame.name in _names(picture) for frame in recording.frames):
        return True
    return len(recording.frames) == 1


def _by_name(recording: Recording, pictures: Sequence[Path]) -> list[int] | None:
    """Places by the pictures' names; None where the recording has none, or its names only count.

    Raises:
        DynastError: Where names fit some of the pictures only.
    """
    places: dict[str, int] = {}
    several: set[str] = set()
    for place, frame in enumerate(recording.frames):
        if frame.name is None:
            return None
        if frame.name in places:
            several.add(frame.name)
        places[frame.name] = place
    if several and [frame.name for frame in recording.frames] == [composed(each.stem) for each in pictures]:
        return None  # pictures of one name from several folders, in the file's own order
    numbers = _by_number(recording)
    wanted = [_key(picture, places, numbers) for picture in pictures]
    found = [place for place in wanted if place is not None]
    for picture, at in zip(pictures, wanted, strict=True):
        if at is not None and recording.frames[at].name in several:
            raise DynastError(
                f"{recording.origin}: several poses of {picture.name}; give each picture and its pose a name of its own"
            )
    if len(found) == len(pictures):
        return found
    if not found and _counts(list(places)):
        return None
    missing = next(picture for picture, place in zip(pictures, wanted, strict=True) if place is None)
    names = ", ".join(printable(name) for name in list(places)[:3]) + (", ..." if len(places) > 3 else "")
    raise DynastError(
        f"{recording.origin}: no pose of {missing.name}; it holds those of {names}: rename one of them, or leave the "
        "picture out"
    )


def _key(picture: Path, places: dict[str, int], numbers: dict[int, int]) -> int | None:
    """The place of a picture's frame: by its name, else by the number that its name is."""
    for name in _names(picture):
        if name in places:
            return places[name]
    return numbers.get(int(picture.stem)) if picture.stem.isdecimal() and picture.stem.isascii() else None


def _names(picture: Path) -> tuple[str, ...]:
    """What a picture's frame may be called; `a.jpg.json` is the file of `a.jpg`, too."""
    return composed(picture.stem), picture_name(picture.name), composed(picture.name)


def _by_number(recording: Recording) -> dict[int, int]:
    """Places by number where the names themselves are numbers, as `image_id` is in COCO's results."""
    return {
        int(frame.name): place
        for place, frame in enumerate(recording.frames)
        if frame.name is not None and frame.name.isascii() and frame.name.isdecimal()
    }


def _by_id(recording: Recording, pictures: Sequence[Path]) -> list[int] | None:
    """Places by number where frames have ids alone and pictures are called by all of them that are asked for."""
    places = {frame.number: place for place, frame in enumerate(recording.frames) if frame.name is None}
    wanted = [int(picture.stem) if picture.stem.isdecimal() else None for picture in pictures]
    if None in places or None in wanted or not all(number in places for number in wanted):
        return None
    return [places[number] for number in wanted]


def _counts(names: list[str]) -> bool:
    """Whether names are those of consecutive frames, as a tool writes them that knows of no picture's name."""
    numbers, _ = numbered(names)
    return numbers is not None and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
