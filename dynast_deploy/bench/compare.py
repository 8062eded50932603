"""Two workers, one frame each in turn."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np

import dynast_deploy
from dynast_deploy.errors import DynastError
from dynast_deploy.metrics import psnr


@dataclass
class Side:
    """What was measured of one side: seconds and processor seconds of its frames, peak memory in 10**6 bytes."""

    frames: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    peak_mb: float = 0.0

    @property
    def frame_s(self) -> float:
        """Median seconds of a frame."""
        return statistics.median(self.frames)

    @property
    def processor_s(self) -> float:
        """Median processor seconds of a frame, all threads together."""
        return statistics.median(self.processor)


@dataclass(frozen=True)
class Comparison:
    """engine and published: the two sides; psnr: how alike their pictures are, in dB over -1..1."""

    engine: Side
    published: Side
    psnr: float

    def to_dict(self) -> dict[str, float]:
        """Medians in seconds, peaks in 10**6 bytes, and the engine's share of the published formulation's."""
        engine, published = self.engine, self.published
        return {
            "engine_frame_s": engine.frame_s,
            "published_frame_s": published.frame_s,
            "frame_ratio": engine.frame_s / published.frame_s,
            "engine_peak_mb": engine.peak_mb,
            "published_peak_mb": published.peak_mb,
            "peak_ratio": engine.peak_mb / published.peak_mb,
        }


class Worker:
    """A `bench.worker` process, warmed up. Ends with its `with` block."""

    def __init__(self, side: str, model: Path, threads: int, picture: Path) -> None:
        self.side, self.result, self._picture = side, Side(), picture
        command = [sys.executable, "-m", "dynast_deploy.bench.worker"]
        self._process = subprocess.Popen(
            [*command, side, str(model), str(threads), str(picture)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=worker_environment(threads),
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def warm_up(self) -> np.ndarray:
        """Wait for the first frame; returns its picture `[1, 3, H, W]`.

        Raises:
            DynastError: The side cannot run, or ended.
        """
        self.result.peak_mb = self._answer()["peak_mb"]
        result: np.ndarray = np.load(self._picture)
        return result

    def frame(self) -> None:
        """Render one more frame and record its time.

        Raises:
            DynastError: The side ended.
        """
        assert self._process.stdin is not None
        self._process.stdin.write("frame\n")
        self._process.stdin.flush()
        answer = self._answer()
        self.result.frames.append(answer["frame_s"])
        self.result.processor.append(answer["cpu_s"])
        self.result.peak_mb = answer["peak_mb"]

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            answer = json.loads(line)
            if "error" in answer:
                raise DynastError(answer["error"])
            result: dict[str, float] = answer
            return result
        status = self._process.wait()
        if status == -getattr(signal, "SIGKILL", 9):
            raise DynastError(
                f"the {self.side} side was killed, most likely for want of memory; try a smaller --ngf or --size"
            )
        raise DynastError(f"the {self.side} side ended with status {status}; its error is printed above")


def worker_environment(threads: int) -> dict[str, str]:
    """This process's environment, in which workers import the same package and use that many threads."""
    package = str(Path(dynast_deploy.__file__).resolve().parents[1])
    path = os.pathsep.join(part for part in (package, os.environ.get("PYTHONPATH")) if part)
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}


def compare(engine: Path, checkpoint: Path, threads: int, repeats: int, folder: Path) -> Comparison:
    """Frames of both sides in turn, so that what else the machine does slows both.

    Raises:
        DynastError: A side cannot run, or ended.
    """
    with (
        Worker("engine", engine, threads, folder / "engine.npy") as ours,
        Worker("published", checkpoint, threads, folder / "published.npy") as theirs,
    ):
        pictures = ours.warm_up(), theirs.warm_up()
        for _ in range(repeats):
            ours.frame()
            theirs.frame()
        return Comparison(ours.result, theirs.result, psnr(*pictures, data_range=2))
