"""Make the example media: a dance with its keypoints, and exemplar pictures of other people with theirs.

    python -m dynast_deploy.marionette.examples OUT_DIR

writes `dance.mp4` (256x256, 30 frames a second, H.264 and AAC), `dance.poses.npz` (`keypoints` float32 [T,
18, 3]: x, y in pixels, score) and, for each exemplar, `<name>.png` (256x256) and `<name>.poses.npz`
(`keypoints` [1, 18, 3]). Everybody comes from an evaluation seed; equal calls write equal pictures.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.marionette.animate import BEATS_PER_MINUTE, animate
from dynast_deploy.marionette.beat import SAMPLE_RATE, beat_track
from dynast_deploy.marionette.colours import Colour
from dynast_deploy.marionette.identity import FIRST_EVALUATION_SEED, Identity
from dynast_deploy.marionette.pose import Arm, Leg, Pose
from dynast_deploy.marionette.render import render
from dynast_deploy.marionette.traits import Motif

SIZE = 256
FRAMES, FRAMES_A_SECOND = 120, 30
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

    Raises DynastError where the folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [*_write_exemplars(folder), *_write_dance(folder)]
    except OSError as error:
        raise DynastError(f"cannot write the examples into {folder}: {error}; name another folder") from error


def _write_exemplars(folder: Path) -> list[Path]:
    written = []
    for name, (who, pose) in exemplars().items():
        figure = render(who, pose, SIZE)
        picture, poses = folder / f"{name}.png", folder / f"{name}.poses.npz"
        if not cv2.imwrite(str(picture), figure.picture[..., ::-1]):
            raise OSError(f"{picture.name} could not be written")
        np.savez_compressed(poses, keypoints=figure.keypoints[None])
        written += [picture, poses]
    return written


def _write_dance(folder: Path) -> list[Path]:
    who = Identity.of_seed(_DANCER)
    poses_of_dance = animate(np.random.default_rng(_DANCE), FRAMES, FRAMES_A_SECOND)
    figures = [render(who, pose, SIZE) for pose in poses_of_dance]
    film, poses = folder / "dance.mp4", folder / "dance.poses.npz"
    sound = beat_track(FRAMES / FRAMES_A_SECOND, BEATS_PER_MINUTE)
    _write_film(film, [figure.picture for figure in figures], sound)
    np.savez_compressed(poses, keypoints=np.stack([figure.keypoints for figure in figures]))
    return [film, poses]


def _write_film(path: Path, pictures: list[np.ndarray], sound: np.ndarray) -> None:
    import av

    with av.open(str(path), "w", options={"movflags": "faststart"}) as film:
        picture_stream = film.add_stream(
            "libx264", rate=FRAMES_A_SECOND, options={"crf": "17", "preset": "slow"}
        )
        picture_stream.width, picture_stream.height = SIZE, SIZE
        picture_stream.pix_fmt = "yuv420p"
        picture_stream.thread_count = 1  # equal files from equal calls, whatever the machine
        sound_stream = film.add_stream("aac", rate=SAMPLE_RATE, layout="mono")
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FRAMES_A_SECOND)
            film.mux(picture_stream.encode(frame))
        film.mux(picture_stream.encode())
        for start in range(0, sound.size, 1024):
            block = av.AudioFrame.from_ndarray(
                sound[None, start : start + 1024], format="fltp", layout="mono"
            )
            block.sample_rate, block.pts, block.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            film.mux(sound_stream.encode(block))
        film.mux(sound_stream.encode())


def main() -> int:
    parser = argparse.ArgumentParser(description="Write the example dance and exemplar pictures.")
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="where to write; made if missing")
    try:
        for path in write_examples(parser.parse_args().folder):
            print(path)
    except DynastError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
