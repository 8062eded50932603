"""A training step compared with the published formulation's.

    python benchmarks/training_step.py [THREADS] [ROUNDS] [SIZE] [NGF]

One pair of pictures (128x128, ngf 16, 2 layers unless told), random weights, on the CPU: forward with warps, backward
and Adam; medians of steps in turn, each side in its own process. Both start from the same weights and pair, and their
first losses have to agree.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from dynast_deploy.bench.compare import Worker
from dynast_deploy.checkpoint import save_generator
from dynast_deploy.config import GeneratorConfig, Task
from dynast_deploy.generator import Generator


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments.

    Raises:
        SystemExit: The losses of both sides differ.
    """
    given = [int(argument) for argument in sys.argv[1:]]
    threads, rounds, size, ngf = (*given, *(os.cpu_count() or 1, 7, 128, 16)[len(given) :])
    torch.manual_seed(0)
    generator = Generator(GeneratorConfig(Task.POSE.semantic_nc, crop_size=size, ngf=ngf, n_layers=2))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoint = folder / "random.pth"
        save_generator(generator, checkpoint)
        with (
            Worker("training", checkpoint, threads, folder / "ours.npy") as ours,
            Worker("published training", checkpoint, threads, folder / "published.npy") as published,
        ):
            sides = {"this package": ours, "published": published}
            losses = [float(worker.warm_up()) for worker in sides.values()]
            if abs(losses[0] - losses[1]) > 1e-4 * losses[1]:
                raise SystemExit(f"the first losses differ: {losses[0]:.6f} and {losses[1]:.6f}")
            for _ in range(rounds):
                for worker in sides.values():
                    worker.frame()
    print(f"{size}x{size}, ngf {ngf}, {threads} threads    s a step   processor s   peak MB")
    for side, worker in sides.items():
        result = worker.result
        print(f"{side:32} {result.frame_s:9.3f} {result.processor_s:13.3f} {result.peak_mb:9.0f}")
    times = published.result.frame_s / ours.result.frame_s
    processor = published.result.processor_s / ours.result.processor_s
    peaks = published.result.peak_mb / ours.result.peak_mb
    print(f"{'published / this package':32} {times:9.2f} {processor:13.2f} {peaks:9.2f}")


if __name__ == "__main__":
    main()
