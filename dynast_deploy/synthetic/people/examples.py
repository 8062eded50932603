"""Make the example media: a dance with its keypoints, and exemplar pictures of other people with theirs.

    python -m dynast_deploy.synthetic.people.examples OUT_DIR

writes `dance.mp4` (256x256, 30 frames a second, H.264 and AAC), `dance.poses.npz` (`keypoints` float32 [T,
18, 3]: x, y in pixels, score) and, for each exemplar, `<name>.png` (256x256) and `<name>.poses.npz`
(`keypoints` [1, 18, 3]). Everybody comes from an evaluation seed; equal calls write equal pictures.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from dynast_deploy.files.atomic_file import save_arrays
from dynast_deploy.synthetic.common.colours import Colour
from dynast_deploy.synthetic.common.example_media import (
    FRAMES_A_SECOND,
    SIZE,
    Sound,
    run,
    save_film,
    save_picture,
    write_into,
)
from dynast_deploy.synthetic.common.traits import Motif
from dynast_deploy.synthetic.people.animate import BEATS_PER_MINUTE, animate
from dynast_deploy.synthetic.people.beat import SAMPLE_RATE, beat_track
from dynast_deploy.synthetic.people.identity import FIRST_EVALUATION_SEED, Identity
from dynast_deploy.synthetic.people.pose import Arm, Leg, Pose
from dynast_deploy.synthetic.people.render import render

FRAMES = 120
_DANCER, _DANCE = FIRST_EVALUATION_SEED + 38, 6


def _dressed(seed: int, motif: Motif, base: Colour, second: Colour, period: float) -> Identity:
    """The person of an evaluation seed in a top of a given cloth."""
    who = Identity.of_seed(FIRST_EVALUATION_SEED + seed)
    cloth = replace(who.top.cloth, motif=motif, base=base, second=second, period=period)
    bottom = replace(who.bottom, cloth=cloth) if who.top.kind == "dress" else who.bottom
    return replace(who, top=replace(who.top, cloth=cloth, print_shape="none"), bottom=bottom)


def exemplars() -> dict[str, tuple[Identity, Pose]]:
    """The exemplar people by name, each with the pose of their photograph."""
    relaxed = Pose(
        right_arm=Arm(0.30, 0.15), left_arm=Arm(0.30, 0.15), right_leg=Leg(0.07), left_leg=Leg(0.07)
    )
    hip = replace(relaxed, left_arm=Arm(0.78, -1.75, 0.0, 0.95, 0.95), sway=-0.02, head_tilt=0.08)
    wave = replace(relaxed, right_arm=Arm(1.0, 1.6), head_tilt=-0.06)
    return {
        "red-stripes": (
            _dressed(29, Motif.STRIPES, (196.0, 44.0, 52.0), (250.0, 240.0, 226.0), 0.045),
            relaxed,
        ),
        "blue-dots": (_dressed(9, Motif.DOTS, (44.0, 92.0, 170.0), (248.0, 244.0, 236.0), 0.055), hip),
        "green-checks": (_dressed(14, Motif.CHECKS, (52.0, 128.0, 88.0), (236.0, 240.0, 214.0), 0.055), wave),
        "yellow-zigzag": (
            _dressed(17, Motif.ZIGZAG, (244.0, 190.0, 60.0), (92.0, 60.0, 120.0), 0.06),
            relaxed,
        ),
    }


def write_examples(folder: Path) -> list[Path]:
    """Write all example files into `folder` (made if missing) and return their paths.

    Raises:
        DynastError: The folder cannot be made or written to.
    """
    return write_into(folder, _write_exemplars, _write_dance)


def _write_exemplars(folder: Path) -> list[Path]:
    written = []
    for name, (who, pose) in exemplars().items():
        figure = render(who, pose, SIZE)
        poses = folder / f"{name}.poses.npz"
        save_arrays(poses, {"keypoints": figure.keypoints[None]})
        written += [save_picture(folder / f"{name}.png", figure.picture), poses]
    return written


def _write_dance(folder: Path) -> list[Path]:
    who = Identity.of_seed(_DANCER)
    poses_of_dance = animate(np.random.default_rng(_DANCE), FRAMES, FRAMES_A_SECOND)
    figures = [render(who, pose, SIZE) for pose in poses_of_dance]
    poses = folder / "dance.poses.npz"
    save_arrays(poses, {"keypoints": np.stack([figure.keypoints for figure in figures])})
    sound = Sound(beat_track(FRAMES / FRAMES_A_SECOND, BEATS_PER_MINUTE), SAMPLE_RATE)
    return [save_film(folder / "dance.mp4", [figure.picture for figure in figures], sound), poses]


if __name__ == "__main__":
    sys.exit(run("Write the example dance and exemplar pictures.", write_examples))
