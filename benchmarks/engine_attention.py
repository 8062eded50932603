"""The engine with our attention operators beside the engine that runs the function bodies in its file.

    python benchmarks/engine_attention.py [THREADS] [ROUNDS]

Published size (ngf 64, 2 layers, 256x256), random weights, on the CPU: medians of frames in turn, each side in its own
process, and peak resident memory. Needs PyTorch, to make the engine.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dynast_deploy.bench.compare import Worker
from dynast_deploy.bench.random_model import write_random_model


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _, engine = write_random_model(folder, 64, 2, 256)
        with (
            Worker("engine", engine, threads, folder / "native.npy") as native,
            Worker("functions", engine, threads, folder / "functions.npy") as functions,
        ):
            sides = {"operators": native, "function bodies": functions}
            for worker in sides.values():
                worker.warm_up()
            for _ in range(rounds):
                for worker in sides.values():
                    worker.frame()
    print(f"{threads} threads       s a frame   processor s   peak MB")
    for side, worker in sides.items():
        result = worker.result
        print(f"{side:15} {result.frame_s:10.3f} {result.processor_s:13.3f} {result.peak_mb:9.0f}")
    print(f"ratio           {native.result.frame_s / functions.result.frame_s:10.3f}")


if __name__ == "__main__":
    main()
