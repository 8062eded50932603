"""What the writers of example media share: pictures, films, the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile

SIZE = 256
"""Pixels: height and width of all example pictures and films."""

FRAMES_A_SECOND = 30
_SAMPLES_A_BLOCK = 1024


@dataclass(frozen=True)
class Sound:
    """samples: float32 [N] in -1..1, one channel; rate: of them a second."""

    samples: np.ndarray
    rate: int


def save_picture(path: Path, picture: np.ndarray) -> Path:
    """Write uint8 [H, W, 3] RGB by the suffix of `path`, which is given back.

    Raises:
        DynastError: The file cannot be written.
        OSError: OpenCV does not write that kind of file.
    """
    with AtomicFile(path) as partial:
        if not cv2.imwrite(str(partial), picture[..., ::-1]):
            raise OSError(f"{path.name} could not be written")
    return path


def save_film(path: Path, pictures: Sequence[np.ndarray], sound: Sound | None = None, crf: int = 17) -> Path:
    """Write uint8 [`SIZE`, `SIZE`, 3] RGB pictures as H.264 (and AAC) at `FRAMES_A_SECOND`; equal calls write equal
    files. `crf` is x264's: more is smaller and worse. Gives `path` back.

    Raises:
        DynastError: The file cannot be written.
    """
    import av

    with AtomicFile(path) as partial, av.open(str(partial), "w", options={"movflags": "faststart"}) as film:
        picture_stream = film.add_stream(
            "libx264", rate=FRAMES_A_SECOND, options={"crf": str(crf), "preset": "slow"}
        )
        picture_stream.width, picture_stream.height = SIZE, SIZE
        picture_stream.pix_fmt = "yuv420p"
        picture_stream.thread_count = 1  # equal files from equal calls, whatever the machine
        sound_stream = film.add_stream("aac", rate=sound.rate, layout="mono") if sound else None
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, Fraction(1, FRAMES_A_SECOND)
            film.mux(picture_stream.encode(frame))
        film.mux(picture_stream.encode())
        if sound is None or sound_stream is None:
            return path
        for start in range(0, sound.samples.size, _SAMPLES_A_BLOCK):
            block = av.AudioFrame.from_ndarray(
                sound.samples[None, start : start + _SAMPLES_A_BLOCK], format="fltp", layout="mono"
            )
            block.sample_rate, block.pts, block.time_base = sound.rate, start, Fraction(1, sound.rate)
            film.mux(sound_stream.encode(block))
        film.mux(sound_stream.encode())
    return path


def write_into(folder: Path, *writers: Callable[[Path], Iterable[Path]]) -> list[Path]:
    """What `writers` write into `folder`, which is made if missing: the paths.

    Raises:
        DynastError: The folder cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [path for write in writers for path in write(folder)]
    except OSError as error:
        raise DynastError(f"cannot write the examples into {folder}: {error}; name another folder") from error


def run(description: str, write: Callable[[Path], Iterable[Path]]) -> int:
    """The program that takes a folder, writes examples into it and prints their paths; gives its exit status."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", type=Path, metavar="OUT_DIR", help="where to write; made if missing")
    try:
        for path in write(parser.parse_args().folder):
            print(path)
    except DynastError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
