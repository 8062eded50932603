"""Time of a pose condition, the fast form compared with the plain one that the tests trust.

    python benchmarks/conditions.py

Prints medians in milliseconds and their ratio for one person in pictures of several sizes; the condition is
256x256. The two forms take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(CHECKOUT), str(CHECKOUT / "tests" / "support")]

from conditions_reference import plain_pose_condition  # noqa: E402

from dynast_deploy.conditions import pose_condition  # noqa: E402

SIZES = ((256, 256), (512, 512), (750, 1101), (1920, 1080))
ROUNDS = 15


def milliseconds(function: Callable[[], object]) -> float:
    """Milliseconds of one call."""
    start = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - start)


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    recorded = np.load(CHECKOUT / "tests" / "data" / "pose_conditions.npz")["front_256_keypoints"]
    print("picture      plain ms   fast ms   ratio")
    for width, height in SIZES:
        scale = min(width, height) / 256
        keypoints = recorded * scale + (np.array([width, height]) - 256 * scale) / 2
        size = (width, height)
        plain, fast = [], []
        for _ in range(ROUNDS):
            plain.append(milliseconds(partial(plain_pose_condition, keypoints, size, (256, 256))))
            fast.append(milliseconds(partial(pose_condition, keypoints, size)))
        before, after = statistics.median(plain), statistics.median(fast)
        print(f"{width:4} x {height:4}  {before:9.1f} {after:9.1f} {before / after:7.1f}")


if __name__ == "__main__":
    main()
