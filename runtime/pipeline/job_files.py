"""Which files a job reads and writes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.files.names import fitting, named_beside


def default_video_output(video: Path) -> Path:
    """`in.mp4` -> `in.dynast.mp4` next to it; a container that is not written becomes .mp4."""
    from dynast_deploy.media.video_containers import VIDEO_SUFFIXES

    suffix = video.suffix.lower() if video.suffix.lower() in VIDEO_SUFFIXES else ".mp4"
    return named_beside(video, f".dynast{suffix}")


def picture_outputs(
    arguments: Sequence[Path], pictures: Sequence[Path], output: Path | None
) -> dict[Path, Path]:
    """Where each picture's result goes.

    With `output` a picture's name (one picture only) or a folder; else next to the input: `a.png` becomes
    `a.dynast.png`, a folder `photos` becomes `photos.dynast` with the same names in it.

    Raises:
        DynastError: Where `output` cannot hold them, or two results would have the same name.
    """
    from dynast_deploy.media.picture_files import PICTURE_SUFFIXES, WRITTEN_SUFFIXES
    from dynast_deploy.media.video_containers import VIDEO_SUFFIXES

    ending = "" if output is None or os.path.isdir(output) else output.suffix.lower()
    if ending in PICTURE_SUFFIXES.union(VIDEO_SUFFIXES).difference(WRITTEN_SUFFIXES):
        raise DynastError(f"{output}: pictures are written as {', '.join(WRITTEN_SUFFIXES)}, not as {ending}")
    if output is not None and ending in WRITTEN_SUFFIXES:
        if len(pictures) != 1:
            raise DynastError(
                f"-o {output} is one picture, and {len(pictures)} are to be rendered; name a folder"
            )
        return {pictures[0]: output}
    folder = output
    if folder is None and len(arguments) == 1 and arguments[0].is_dir():
        around = arguments[0].resolve()
        folder = around.with_name(fitting(around.name, ".dynast", around.parent))
    found: dict[Path, Path] = {}
    for picture in pictures:
        suffix = picture.suffix.lower() if picture.suffix.lower() in WRITTEN_SUFFIXES else ".png"
        found[picture] = (
            folder / f"{picture.stem}{suffix}" if folder else named_beside(picture, f".dynast{suffix}")
        )
    if len(set(found.values())) < len(found):
        raise DynastError(
            "two of the pictures have the same name, so one result would replace the other; rename one"
        )
    return found
