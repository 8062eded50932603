"""The engine compared with itself with fewer of our operators: for attention alone, and with none.

    python benchmarks/engine_attention.py [THREADS] [ROUNDS] [ENGINE]

ENGINE is an .onnx file; without it one of the published size (ngf 64, 2 layers, 256x256) with random weights is made,
which needs PyTorch. On the CPU: medians of frames in turn, each side in its own process, and peak resident memory.
"""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dynast_deploy.bench.compare import Worker
from dynast_deploy.bench.random_model import write_random_model

SIDES = {
    "engine": "all operators",
    "attention": "attention alone",
    "functions": "function bodies",
}


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        engine = Path(sys.argv[3]) if len(sys.argv) > 3 else write_random_model(folder, 64, 2, 256)[1]
        workers = {
            side: stack.enter_context(Worker(side, engine, threads, folder / f"{side}.npy")) for side in SIDES
        }
        for worker in workers.values():
            worker.warm_up()
        for _ in range(rounds):
            for worker in workers.values():
                worker.frame()
    slowest = workers["functions"].result
    print(f"{threads} threads         s a frame   ratio   processor s   peak MB   ratio")
    for side, worker in workers.items():
        result = worker.result
        print(
            f"{SIDES[side]:18}{result.frame_s:11.3f} {result.frame_s / slowest.frame_s:7.2f} "
            f"{result.processor_s:13.3f} {result.peak_mb:9.0f} {result.peak_mb / slowest.peak_mb:7.2f}"
        )


if __name__ == "__main__":
    main()
