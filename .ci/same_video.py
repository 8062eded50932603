"""`same_video.py A B`: fails unless both videos have as many frames and show the same, but for rounding."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import zip_longest

import av
import numpy as np

from dynast_deploy.metrics import HIGHEST_PSNR, psnr

LEAST_PSNR = 40.0
"""dB of each frame, far below what other libraries of the same engine differ by and far above another picture."""


def frames(path: str) -> Iterator[np.ndarray]:
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def main(first: str, second: str) -> None:
    worst, count = HIGHEST_PSNR, 0
    for count, (one, other) in enumerate(zip_longest(frames(first), frames(second)), start=1):
        if one is None or other is None or one.shape != other.shape:
            sys.exit(f"{first} and {second} differ in size or number of frames, from frame {count - 1}")
        worst = min(worst, psnr(one, other, data_range=255))
    print(f"{second}: {count} frames, at least {worst:.1f} dB compared with {first}")
    if not count or worst < LEAST_PSNR:
        sys.exit(f"{second} shows something else than {first}")


if __name__ == "__main__":
    main(*sys.argv[1:])
