"""Keypoints in YOLO's label files, as Ultralytics' `save_txt` writes them: a person a line, in fractions."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.keypoints.json_people import pose_of, stacked
from dynast_deploy.keypoints.skeletons import KNOWN_SKELETONS, SKELETONS

BOX = 5
"""Numbers before the keypoints: class, centre x and y, width and height."""
TAIL = 2
"""At most so many after them: the person's score and track."""


def read_labels(path: Path) -> np.ndarray:
    """Everybody in a picture, canonical float32 [P, 18, 3] in fractions; no person for an empty file.

    A line is class, box, then x, y, visibility (or x, y alone) of each keypoint, a score and a track where they were
    asked for.

    Raises:
        DynastError: For anything else; it names the line.
    """
    poses: list[np.ndarray | None] = []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DynastError(f"{path}: no text; labels are lines of numbers") from None
    for number, line in enumerate(lines, start=1):
        values = line.split()
        if not values:
            continue
        where, count = f"{path}, line {number}", len(values) - BOX
        width, size = next(
            (
                (width, size)
                for width in (3, 2)
                for size in SKELETONS
                if width * size <= count <= width * size + TAIL
            ),
            (0, 0),
        )
        if not width:
            raise DynastError(
                f"{where}: {len(values)} numbers; a label is a class, a box and the keypoints of {KNOWN_SKELETONS}"
            )
        poses.append(pose_of(values[BOX : BOX + width * size], where))
    return stacked(poses)
