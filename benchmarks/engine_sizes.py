"""Time and memory of a frame by picture size.

    python benchmarks/engine_sizes.py [THREADS] [NGF] [FRAMES]

ngf 32, 2 layers, random weights, on the CPU; one process for each size. The coarse stage grows with the square of the
pixels; its share of the operators' time is shown, and the time for a pixel is processor time without that share, which
other work on the machine changes little. Peak memory is the process's, loading and encoding included. Needs PyTorch,
to make engines.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dynast_deploy.bench.command import profile
from dynast_deploy.bench.compare import Worker
from dynast_deploy.bench.random_model import write_random_model

SIZES = (256, 512, 1024)


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else os.cpu_count() or 1
    ngf = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    frames = int(sys.argv[3]) if len(sys.argv) > 3 else 3
    print(f"{threads} threads, ngf {ngf}")
    print("size    s a frame   processor s   coarse   us a pixel without it   peak MB   kB a pixel")
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            _, engine = write_random_model(folder, ngf, 2, size)
            with Worker("engine", engine, threads, folder / "picture.npy") as worker:
                worker.warm_up()
                for _ in range(frames):
                    worker.frame()
            stages = profile(engine, threads, frames, folder)
        coarse = sum(stage.share for stage in stages if stage.name == "coarse attention")
        result = worker.result
        rest = result.processor_s * (1 - coarse) * 1e6 / size**2
        print(
            f"{size:4} {result.frame_s:12.2f} {result.processor_s:13.2f} {coarse:8.0%} {rest:23.2f} "
            f"{result.peak_mb:9.0f} {result.peak_mb * 1000 / size**2:12.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
