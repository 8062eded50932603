"""`dynast build-engine --auto`: the fastest precision that keeps the picture."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dynast_deploy.errors import DynastError
from dynast_deploy.formats.precision import Precision

CANDIDATES = tuple(each for each in Precision if each is not Precision.FP32)
WARM_UP, TIMED = 5, 30
"""Frames."""


@dataclass(frozen=True)
class PrecisionTrial:
    """A precision that was considered. psnr: dB against float32, of its calibration; milliseconds: of a frame, None
    where it was not built; note: why it was not, or why it is not taken."""

    precision: Precision
    psnr: float | None = None
    milliseconds: float | None = None
    note: str = ""


def calibrations_by_precision(paths: Sequence[Path], model: Path) -> dict[Precision, Path]:
    """Calibration files by what they are for.

    Raises:
        DynastError: A file is not a calibration file or of another model, or two are for the same precision.
    """
    from dynast_deploy.formats.calibration import read_calibration
    from dynast_deploy.formats.onnx_model import sha256

    found: dict[Precision, Path] = {}
    for path in paths:
        precision = read_calibration(path, sha256(model), str(model)).number_format
        if precision in found:
            raise DynastError(
                f"--calibration {path}: {found[precision]} is for {precision} too; give one of them"
            )
        found[precision] = path
    return found


def quality_by_precision(calibrations: Mapping[Precision, Path], model: Path) -> dict[Precision, float]:
    """PSNR in dB against float32 of every precision that some calibration measured, float16 as well as eight bits.

    Raises:
        DynastError: A file is not a calibration file, or of another model.
    """
    from dynast_deploy.formats.calibration import read_calibration, with_float16
    from dynast_deploy.formats.onnx_model import sha256

    found: dict[Precision, float] = {}
    for precision, path in calibrations.items():
        psnr = read_calibration(path, sha256(model), str(model)).psnr
        found[precision] = psnr[with_float16(precision)]
        found[Precision.FP16] = psnr[Precision.FP16]
    return found


def considered(
    calibrations: Mapping[Precision, Path],
    quality: Mapping[Precision, float],
    target: float,
    compute_capability: tuple[int, int],
) -> list[PrecisionTrial]:
    """What to build: a trial without a note is worth its time."""
    trials = []
    for precision in CANDIDATES:
        psnr, note = quality.get(precision), ""
        if compute_capability < precision.first_capability:
            note = f"needs compute capability {'.'.join(map(str, precision.first_capability))}"
        elif precision.is_eight_bits and precision not in calibrations:
            note = "no --calibration for it"
        elif psnr is not None and psnr < target:
            note = f"below the target of {target:g} dB"
        trials.append(PrecisionTrial(precision, psnr, note=note))
    return trials


def tried(trials: Sequence[PrecisionTrial], frame_ms: Callable[[Precision], float]) -> list[PrecisionTrial]:
    """The trials without a note, timed; a precision that cannot be built is noted with the reason."""
    done = []
    for trial in trials:
        if not trial.note:
            try:
                trial = replace(trial, milliseconds=frame_ms(trial.precision))
            except DynastError as error:
                trial = replace(trial, note=str(error))
        done.append(trial)
    return done


def fastest(trials: Sequence[PrecisionTrial], target: float) -> PrecisionTrial:
    """Of the precisions that were built; all of them meet the target.

    Raises:
        DynastError: No precision was built.
    """
    built = [trial for trial in trials if trial.milliseconds is not None]
    if not built:
        reasons = "; ".join(f"{trial.precision}: {trial.note}" for trial in trials)
        raise DynastError(
            f"--auto: nothing to take ({reasons}); lower --target-psnr {target:g}, or build with --fp32"
        )
    return min(built, key=lambda trial: trial.milliseconds or 0.0)


def time_frame(plan: Path) -> float:
    """Milliseconds of a frame of the plan on this GPU: the median of frames rendered one after the other.

    Raises:
        DynastError: The plan does not run on this machine.
    """
    import numpy as np

    from dynast_deploy.runtime import load_engine

    with load_engine(plan) as engine:
        info = engine.info
        rng = np.random.default_rng(0)
        condition = rng.integers(0, 256, (1, info.channels, info.height, info.width), np.uint8)
        picture = rng.random((1, 3, info.height, info.width), np.float32) * 2 - 1
        exemplar = engine.encode_exemplar(picture, condition)
        seconds = []
        for _ in range(WARM_UP + TIMED):
            start = time.perf_counter()
            engine.render(exemplar, condition)
            seconds.append(time.perf_counter() - start)
    return 1000 * statistics.median(seconds[WARM_UP:])


def print_trials(trials: Sequence[PrecisionTrial], chosen: PrecisionTrial) -> None:
    """Print the table of all precisions and which one was taken."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Precisions on this GPU", title_justify="left")
    for heading in ("precision", "ms a frame", "PSNR, dB", ""):
        table.add_column(heading, justify="right" if heading in ("ms a frame", "PSNR, dB") else "left")
    for trial in trials:
        table.add_row(
            trial.precision,
            "" if trial.milliseconds is None else f"{trial.milliseconds:.2f}",
            "" if trial.psnr is None else f"{trial.psnr:.1f}",
            "taken" if trial is chosen else trial.note,
        )
    Console().print(table)
