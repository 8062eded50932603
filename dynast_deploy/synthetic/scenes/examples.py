"""Make the example media of style transfer: a camera moving over a town, and two paintings.

    python -m dynast_deploy.synthetic.scenes.examples OUT_DIR

writes `town.mp4` (256x256, 30 frames a second, H.264), `facets.png` and `swirls.png` (256x256). All come from
evaluation seeds; equal calls write equal pictures.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import cv2
import numpy as np

from dynast_deploy.synthetic.common.example_media import SIZE, run, save_film, save_picture, write_into
from dynast_deploy.synthetic.scenes.draw import FIRST_EVALUATION_SEED, paint_content, paint_style

FRAMES = 75
_TOWN = FIRST_EVALUATION_SEED + 2
_LARGE = 3 * SIZE  # pixels of the scene's side
_SHOWN = 0.62  # of it in a frame, in the mean
_PAINTINGS = {"facets": FIRST_EVALUATION_SEED + 13, "swirls": FIRST_EVALUATION_SEED + 8}


def camera(frames: int = FRAMES) -> list[tuple[float, float, float]]:
    """Where each frame looks: x and y of its middle and its side, as shares of the scene; it ends where it begins."""
    views = []
    for frame in range(frames):
        turn = 2 * math.pi * frame / frames
        x, y = 0.5 - 0.1 * math.cos(turn), 0.54 - 0.05 * math.sin(turn)
        views.append((x, y, _SHOWN - 0.08 * math.sin(turn)))
    return views


def film(scene: np.ndarray, size: int, frames: int = FRAMES) -> list[np.ndarray]:
    """The frames of `camera` over a scene, uint8 [S, S, 3] -> uint8 [size, size, 3] each."""
    # Blurred as much as it is made smaller, so that edges do not flicker as they move.
    side = len(scene)
    soft = cv2.GaussianBlur(scene, (0, 0), 0.4 * _SHOWN * side / size)
    flags, pictures = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, []
    for x, y, share in camera(frames):
        scale = share * side / size
        window = np.array(
            [[scale, 0, x * side - scale * size / 2], [0, scale, y * side - scale * size / 2]], np.float32
        )
        seen = cv2.warpAffine(soft, window, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        pictures.append(np.asarray(seen))
    return pictures


def write_examples(folder: Path) -> list[Path]:
    """Write all files into `folder` (made if missing) and return their paths.

    Raises:
        DynastError: The folder cannot be made or written to.
    """
    return write_into(folder, _write_paintings, _write_town)


def _write_paintings(folder: Path) -> list[Path]:
    return [
        save_picture(folder / f"{name}.png", paint_style(seed, SIZE)) for name, seed in _PAINTINGS.items()
    ]


def _write_town(folder: Path) -> list[Path]:
    return [save_film(folder / "town.mp4", film(paint_content(_TOWN, _LARGE), SIZE), crf=20)]


if __name__ == "__main__":
    sys.exit(run("Write the clip of a town and two paintings.", write_examples))
