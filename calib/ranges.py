"""Ranges of tensors, measured frame by frame; ONNX Runtime's calibrator finds some of them in the histograms.

Its own loop keeps all tensors of all frames until the end, and its histograms grow with every value beyond the first
frame's. Here a frame's tensors go into the histograms and are
forgotten, a pass over the frames collects as many tensors as fit `PASS_BYTES`, and of a large tensor a sample is
counted, its extremes among it. After every few frames the histograms are written to a cache, from which an interrupted
measurement goes on.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from dynast_deploy.calib.histogram import Histogram
from dynast_deploy.calib.watched_model import Encoded, WatchedModel
from dynast_deploy.errors import DynastError
from dynast_deploy.export.quantize import nearest
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.formats.npz import NpzFile
from dynast_deploy.formats.precision import Method, Precision
from dynast_deploy.frames.frame_set import CalibrationData
from dynast_deploy.onnxruntime_session import import_onnxruntime
from dynast_deploy.progress import Progress

PASS_BYTES = 400_000_000
SAMPLE = 1 << 15
"""Values counted of one tensor in one frame."""
BINS = 4096
"""Of magnitudes; half of them or more lie where values are."""
ENTROPY_BINS, ENTROPY_LEVELS = 1024, 128
PERCENTILE = 99.99
SAVE_EVERY = 10
"""Frames."""
VERSION = 2
"""Of the cache's contents; part of its key."""


class _State(NamedTuple):
    """A measurement so far: the pass, the frames of it that are counted, and the histograms by tensor."""

    number: int
    frame: int
    histograms: dict[str, Histogram]


def cache_folder() -> Path:
    """`dynast/calibration` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "dynast" / "calibration"


def measure(
    model: onnx.ModelProto,
    tensors: Mapping[str, int],
    data: CalibrationData,
    method: Method,
    model_sha256: str,
    number_format: Precision = Precision.INT8,
    cache: Path | None = None,
) -> dict[str, float]:
    """The largest magnitude to represent, for each of `tensors` (name -> bytes in one frame).

    `cache` is the folder of unfinished and finished measurements (`cache_folder()` where None), each under a key made
    of the model, the data and the method.

    Raises:
        DynastError: A tensor holds NaN or infinity.
    """
    key = _key(model_sha256, data.fingerprint(), method.value, *sorted(tensors))
    file = (cache or cache_folder()) / f"{key}.npz"
    passes = _passes(tensors)
    state = _restored(file)
    collected = state.histograms
    before = state.number * len(data) + state.frame
    if before:
        print(f"calibration: {before} of {len(data) * len(passes)} frames are in the cache", file=sys.stderr)
    with Progress("calibration", len(data) * len(passes) - before) as progress:
        for number in range(state.number, len(passes)):
            skipped = state.frame if number == state.number else 0
            for done, values in enumerate(_values(model, passes[number], data, skipped), skipped + 1):
                for name, array in _finite(values).items():
                    collected.setdefault(name, _empty(method)).add(array)
                if done % SAVE_EVERY == 0 or done == len(data):
                    whole = done == len(data)
                    _save(file, _State(number + whole, 0 if whole else done, collected))
                progress.advance(1)
    return {name: _range(collected[name], method, number_format) for name in tensors}


def _values(
    model: onnx.ModelProto, names: Sequence[str], data: CalibrationData, skipped: int
) -> Iterator[dict[str, np.ndarray]]:
    """For every frame after the first `skipped`, the tensors it gave; an exemplar's come with its first frame."""
    network = WatchedModel(model, data.info, names)
    encoded: Encoded = {}
    encoded_number = last_number = -1
    for count, (number, condition) in enumerate(data.frames()):
        is_first, last_number = number != last_number, number
        if count < skipped:
            continue
        found: dict[str, np.ndarray] = {}
        if number != encoded_number:
            encoded, of_exemplar = network.encode(*data.exemplar(number))
            encoded_number = number
            if is_first:
                found |= of_exemplar
        found |= network.render(encoded, condition)[1]
        rng = np.random.default_rng(count)
        yield {name: _sample(found[name], rng) for name in names if name in found}


def _sample(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """At most `SAMPLE` of the values and both extremes, float32 `[M]`."""
    flat = values.reshape(-1)
    if flat.size > SAMPLE:
        start = int(rng.integers(step := flat.size // SAMPLE))
        flat = np.concatenate([flat[start::step], [flat.min(), flat.max()]])
    return flat.astype(np.float32)


def _finite(values: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for name, array in values.items():
        if not np.isfinite(array).all():
            raise DynastError(
                f"tensor {name} holds NaN or infinite values; check the model's weights and the data"
            )
    return values


def _empty(method: Method) -> Histogram:
    is_entropy = method is Method.ENTROPY
    return Histogram(ENTROPY_BINS if is_entropy else BINS, signed=is_entropy)


def _range(histogram: Histogram, method: Method, number_format: Precision) -> float:
    if not histogram.reach:
        return 0.0
    counts, edges = histogram.counts, histogram.edges
    if method is Method.MSE:
        return least_error(counts, edges, number_format)
    import_onnxruntime()
    from onnxruntime.quantization.calibrate import HistogramCollector

    if method is Method.ENTROPY:
        collector = HistogramCollector("entropy", True, ENTROPY_BINS, ENTROPY_LEVELS, PERCENTILE, "same")
        counts, edges = _inner(counts, edges)
    else:
        collector = HistogramCollector("percentile", True, BINS, ENTROPY_LEVELS, PERCENTILE, "same")
    ends = np.float32(histogram.low), np.float32(histogram.high)
    collector.histogram_dict = {"tensor": (counts, edges, *ends, np.float32(histogram.reach))}
    with contextlib.redirect_stdout(io.StringIO()):
        low, high = collector.compute_collection_result()["tensor"][:2]
    return float(max(abs(low), abs(high)))


def _inner(counts: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Without the outermost bins on both sides that hold nothing, which entropy would be looked for in, too."""
    held = np.nonzero(counts)[0]
    outer = min(held[0], len(counts) - 1 - held[-1], (len(counts) - ENTROPY_LEVELS) // 2)
    return counts[outer : len(counts) - outer], edges[outer : len(edges) - outer]


def least_error(counts: np.ndarray, edges: np.ndarray, number_format: Precision = Precision.INT8) -> float:
    """The range in which a format represents the magnitudes of a histogram with the least squared error.

    counts `[B]`, edges `[B + 1]` from 0 or more. Values beyond the range are cut to it.

    Raises:
        DynastError: Where the format needs the package ml_dtypes, which is not installed.
    """
    centres = (edges[:-1] + edges[1:]) / 2
    largest = float(edges[np.nonzero(counts)[0][-1] + 1]) if counts.any() else 0.0
    if largest == 0:
        return 0.0
    best, least = largest, np.inf
    for share in np.linspace(0.3, 1, 71):
        step = largest * share / number_format.largest
        rounded = nearest(np.minimum(centres / step, number_format.largest), number_format).astype(np.float64)
        error = np.dot(counts, (rounded * step - centres) ** 2)
        if error <= least:
            best, least = largest * float(share), float(error)
    return best


def _passes(tensors: Mapping[str, int]) -> list[list[str]]:
    """The tensors in groups that are held at once."""
    passes: list[list[str]] = [[]]
    held = 0
    for name, size in tensors.items():
        if passes[-1] and held + size > PASS_BYTES:
            passes.append([])
            held = 0
        passes[-1].append(name)
        held += size
    return passes


def _key(*parts: str) -> str:
    return hashlib.sha256("\0".join([str(VERSION), str(PASS_BYTES), *parts]).encode()).hexdigest()


def _restored(file: Path) -> _State:
    """What an earlier run had measured; from the beginning where there is nothing, or nothing whole."""
    try:
        with NpzFile(file) as stored:
            arrays = {name: array.read() for name, array in stored.arrays.items()}
        histograms = {}
        for name, counts, ends in zip(
            arrays["names"].tolist(), arrays["counts"], arrays["ends"], strict=True
        ):
            histograms[name] = Histogram(len(counts), signed=bool(arrays["signed"]))
            histograms[name].counts = counts
            histograms[name].reach, histograms[name].low, histograms[name].high = ends.tolist()
        number, frame = arrays["place"].tolist()
        return _State(number, frame, histograms)
    except (DynastError, OSError, ValueError, KeyError, TypeError):
        return _State(0, 0, {})


def _save(file: Path, state: _State) -> None:
    """Best effort: without a cache folder a measurement works too, but cannot be continued."""
    histograms = list(state.histograms.values())
    arrays: dict[str, Any] = {
        "names": np.array(list(state.histograms), str),
        "place": np.array([state.number, state.frame]),
        "signed": np.array(any(histogram.signed for histogram in histograms)),
        "counts": np.array([histogram.counts for histogram in histograms]),
        "ends": np.array([[each.reach, each.low, each.high] for each in histograms]),
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with AtomicFile(file) as partial:
            np.savez(partial, **arrays)
    except (OSError, DynastError):
        pass
