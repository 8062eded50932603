"""Make the example media of faces: one that turns, blinks and talks, and portraits of other people, with their parts.

    python -m dynast_deploy.synthetic.faces.examples OUT_DIR

writes `talking.mp4` (256x256, 30 frames a second, H.264), `talking.parts.npz` (bool [T, 256, 256] for each part, see
`dynast_deploy.face_parts`) and, for each exemplar, `<name>.png` and `<name>.parts.npz`. Everybody comes from an
evaluation seed; equal calls write equal pictures.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from dynast_deploy.face_parts import write_parts
from dynast_deploy.synthetic.common.example_media import (
    FRAMES_A_SECOND,
    SIZE,
    run,
    save_film,
    save_picture,
    write_into,
)
from dynast_deploy.synthetic.faces.identity import FIRST_EVALUATION_SEED, Face
from dynast_deploy.synthetic.faces.render import render
from dynast_deploy.synthetic.faces.view import View

FRAMES = 90
_TALKER = FIRST_EVALUATION_SEED + 2
_BLINKS, _BLINK = (
    (0.55, 1.7, 2.5),
    0.13,
)  # seconds: when lids are shut, and how long it takes to shut or open them
_SYLLABLES = 3.7  # a second


def exemplars() -> dict[str, tuple[Face, View]]:
    """The exemplar people by name, each in the view of their photograph."""
    return {
        "white-hair": (
            Face.of_seed(FIRST_EVALUATION_SEED + 7),
            View(yaw=-0.12, smile=0.5, lids=(0.95, 0.95)),
        ),
        "blue-hair": (
            Face.of_seed(FIRST_EVALUATION_SEED + 41),
            View(yaw=0.1, roll=0.04, mouth=0.25, smile=0.3),
        ),
    }


def talk(frames: int = FRAMES) -> list[View]:
    """The views of a talk, which ends where it begins: the head sways, sentences come and go, eyes blink and wander."""
    return [_view_at(frame / FRAMES_A_SECOND, frames / FRAMES_A_SECOND) for frame in range(frames)]


def _view_at(second: float, length: float) -> View:
    turn = 2 * math.pi * second / length
    # Loud in the middle of a sentence; a syllable opens the mouth and shuts it.
    loud = max(0.0, math.sin(2 * turn - 0.4)) ** 0.7
    syllable = 0.5 - 0.5 * math.cos(2 * math.pi * round(_SYLLABLES * length) / length * second)
    mouth = 0.85 * loud * syllable * (0.75 + 0.25 * math.sin(5 * turn))
    lids = 0.9 * _open(second) - 0.06 * math.sin(turn)
    return View(
        yaw=0.42 * math.sin(turn),
        pitch=0.10 * math.sin(2 * turn + 0.6) + 0.03 * loud * syllable,
        roll=0.09 * math.sin(turn - 0.8),
        x=0.5 + 0.012 * math.sin(turn),
        y=0.475 + 0.006 * math.cos(2 * turn),
        mouth=mouth,
        smile=0.35 + 0.35 * math.sin(turn + 2.4),
        brows=0.35 * math.sin(2 * turn + 1.2),
        lids=(max(lids, 0.0), max(lids, 0.0)),
        gaze=(-0.35 * math.sin(turn), 0.1 * math.sin(2 * turn)),
    )


def _open(second: float) -> float:
    """How far the lids are open, 0..1."""
    nearest = min(abs(second - blink) for blink in _BLINKS)
    return 1.0 if nearest >= _BLINK else 0.5 - 0.5 * math.cos(math.pi * nearest / _BLINK)


def write_examples(folder: Path) -> list[Path]:
    """Write all files into `folder` (made if missing) and return their paths.

    Raises:
        DynastError: The folder cannot be made or written to.
    """
    return write_into(folder, _write_exemplars, _write_talk)


def _write_exemplars(folder: Path) -> list[Path]:
    written = []
    for name, (who, view) in exemplars().items():
        portrait = render(who, view, SIZE)
        parts = folder / f"{name}.parts.npz"
        write_parts(parts, [portrait.masks])
        written += [save_picture(folder / f"{name}.png", portrait.picture), parts]
    return written


def _write_talk(folder: Path) -> list[Path]:
    who = Face.of_seed(_TALKER)
    portraits = [render(who, view, SIZE) for view in talk()]
    parts = folder / "talking.parts.npz"
    write_parts(parts, [portrait.masks for portrait in portraits])
    return [save_film(folder / "talking.mp4", [portrait.picture for portrait in portraits]), parts]


if __name__ == "__main__":
    sys.exit(run("Write the talking face and exemplar portraits, with their parts.", write_examples))
