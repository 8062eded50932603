"""Processor time of a training sample from each source that ships.

    OMP_NUM_THREADS=1 python benchmarks/training_data.py

Prints milliseconds a sample over one block of pairs, in which every identity and picture is used as often as it will
be: what is drawn once and kept for other pairs is shared among them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dynast_deploy.config import Task
from dynast_deploy.data import style_pictures, views
from dynast_deploy.tasks.training_data import SHIPPED, training_data

SIZES = (128, 256)


def block(task: Task) -> int:
    """Samples after which a stream starts on other identities or pictures."""
    if task is Task.STYLE:
        return style_pictures.BLOCK * style_pictures.USES
    return views.BLOCK * views.VIEWS * (views.VIEWS - 1)


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    print("source            size   ms a sample")
    for task in Task:
        for size in SIZES:
            stream = training_data(task, None, size, seed=0)
            start = time.process_time()
            for number in range(block(task)):
                stream[number]
            spent = time.process_time() - start
            print(f"{SHIPPED[task]:16} {size:5} {1000 * spent / block(task):13.1f}", flush=True)


if __name__ == "__main__":
    main()
