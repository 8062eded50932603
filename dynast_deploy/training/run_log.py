"""What a run says: rows of JSON, curves and pictures for TensorBoard, progress with the time left."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from dynast_deploy.files.atomic_file import AtomicFile, write_text

if TYPE_CHECKING:
    from rich.progress import Progress
    from torch.utils.tensorboard import SummaryWriter

NO_TENSORBOARD = "TensorBoard is not installed, so curves are in log.jsonl and pictures in pictures/ alone"


class RunLog:
    """A context manager that writes `out/log.jsonl`, `out/tensorboard` and `out/pictures`.

    Rows also go to standard output, above a progress bar where that is a terminal. After step `first` the log goes on:
    rows of later steps, from before the run was stopped, are taken out.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], first: int, steps: int) -> None:
        self.out, self.steps = out, steps
        self._kept = _rows_until(out / "log.jsonl", first) if first else []
        self._settings, self._first = settings, first
        self._started = time.monotonic()

    def __enter__(self) -> RunLog:
        write_text(self.out / "log.jsonl", "".join(f"{line}\n" for line in self._kept))
        self._file: TextIO = (self.out / "log.jsonl").open("a")
        self._curves = _tensorboard(self.out / "tensorboard", self._first)
        self._bar = _progress(self._first, self.steps) if sys.stdout.isatty() else None
        if self._curves is None:
            self.say(NO_TENSORBOARD)
        self._write(dict(self._settings))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if self._curves is not None:
            self._curves.close()
        self._file.close()

    def say(self, text: str) -> None:
        """A line for the person who watches, on standard error."""
        print(text, file=sys.stderr, flush=True)

    def row(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers of a step."""
        done, seconds = step - self._first, time.monotonic() - self._started
        left = seconds / done * (self.steps - step)
        row = {"step": step, "seconds": round(seconds, 1), "seconds_left": round(left)}
        row |= {name: float(f"{value:.6g}") for name, value in values.items()}
        self._write(row)
        print(json.dumps(row), flush=True)
        if self._curves is not None:
            for name, value in values.items():
                self._curves.add_scalar(name, value, step)

    def picture(self, step: int, picture: np.ndarray) -> None:
        """uint8 [H, W, 3] of a step.

        Raises:
            DynastError: Where it cannot be written.
        """
        from PIL import Image

        folder = self.out / "pictures"
        folder.mkdir(exist_ok=True)
        with AtomicFile(folder / f"{step:08d}.png") as partial:
            Image.fromarray(picture).save(partial)
        if self._curves is not None:
            self._curves.add_image("samples", picture, step, dataformats="HWC")

    def advance(self, step: int) -> None:
        """A step is done."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=step)

    def _write(self, row: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()


def _rows_until(log: Path, step: int) -> list[str]:
    """Lines of a log, without rows of later steps and without a last line that was cut off."""
    if not log.exists():
        return []
    kept = []
    for line in log.read_text().splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row.get("step", 0) <= step:
            kept.append(line)
    return kept


def _tensorboard(folder: Path, first: int) -> SummaryWriter | None:
    """A writer that drops what a stopped run wrote after step `first`; None without TensorBoard."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=first + 1 if first else None)


def _progress(first: int, steps: int) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("left")
    )
    bar.add_task("steps", total=steps, completed=first)
    bar.start()
    return bar
