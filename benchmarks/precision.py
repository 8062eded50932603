"""The table of docs/precision.md: an engine in every precision, on held-out samples of the data that ship for its task.

    python benchmarks/precision.py [ENGINE ...] [--frames 200] [--samples 40] [--out FOLDER] [--rtx]

Makes the files with `dynast calibrate` (training data that ship, ranges by least squared error), and prints for each:
vs FP32: dB of PSNR of its pictures against those of the float32 file, of all samples together. truth: mean dB of PSNR
and mean SSIM against the truth. match: median distance in pixels of the finest block's best matches from the true ones.
INT8: share of the convolutions' FLOPs in eight bits. file: MB. CPU: milliseconds of a frame in ONNX Runtime, median,
the files in turn. RTX: whether TensorRT-RTX builds both halves, with --rtx.

FP16, and what is combined with it, is rounded to float16 after every node, as a GPU does; the CPU kernels of ONNX
Runtime, which the time is of, compute in float32 between. `INT8+FP16` is what build_engine.py makes of the calibration.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dynast_deploy.calib.quantize_model import write_eight_bits
from dynast_deploy.calib.to_float16 import write_float16
from dynast_deploy.calib.watched_model import WatchedModel
from dynast_deploy.conditions import tensor_picture
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.evaluation.evaluate import SAMPLE_STRIDE
from dynast_deploy.evaluation.matching import BlockMatches, MatchDistances
from dynast_deploy.evaluation.onnx_matches import matches_tensors
from dynast_deploy.evaluation.scores import Scores
from dynast_deploy.export.float16 import to_float16
from dynast_deploy.export.quantizable import convolution_share, find_layers
from dynast_deploy.formats.onnx_model import ModelMetadata, load_model
from dynast_deploy.formats.precision import EIGHT_BITS, Method
from dynast_deploy.frames.request import FrameRequest
from dynast_deploy.metrics import mean_squared_error, psnr_of_error
from dynast_deploy.progress import Progress
from dynast_deploy.runtime import load_engine
from dynast_deploy.tasks.training_data import SHIPPED, training_data


@dataclass
class Row:
    """One precision: its file, where it has one, and what was measured."""

    name: str
    network: WatchedModel
    matches: str
    path: Path | None
    share: float = 0.0
    errors: list[float] = field(default_factory=list)
    scores: Scores = field(default_factory=Scores)
    distances: MatchDistances = field(default_factory=MatchDistances)
    milliseconds: list[float] = field(default_factory=list)
    builds: str = ""


def rows_of(engine: Path, folder: Path, frames: int) -> list[Row]:
    """The engine in every precision; files are written into `folder`."""
    info = ModelMetadata.read(load_model(engine), str(engine))
    request = FrameRequest(SHIPPED[Task(info.task)], frames)
    paths = {name: folder / f"{engine.stem}.{name}.onnx" for name in ("fp16", "int8", "fp8")}
    write_float16(engine, request, paths["fp16"])
    for number_format in EIGHT_BITS:
        write_eight_bits(engine, request, paths[number_format], Method.MSE, number_format, (), None)
    rows = []
    for name, path, half in (
        ("FP32", engine, False),
        ("FP16", paths["fp16"], False),
        ("INT8", paths["int8"], False),
        ("INT8+FP16", paths["int8"], True),
        ("FP8+FP16", paths["fp8"], True),
    ):
        model = load_model(path)
        if half:
            to_float16(model)
        finest = matches_tensors(model)[-1][2]
        network = WatchedModel(model, info, [finest], as_stored="FP16" in name)
        row = Row(name, network, finest, None if half else path)
        if path in (paths["int8"], paths["fp8"]):
            left = json.loads(path.with_suffix(".calibration.json").read_text())["left"]
            layers = find_layers(load_model(engine), info.cut_tensors)
            row.share = convolution_share(layers, {layer.name for layer in layers} - set(left))
        rows.append(row)
    return rows


def paint(rows: list[Row], info: ModelMetadata, samples: int) -> None:
    """Held-out samples, by every row."""
    stream = training_data(Task(info.task), None, info.height, seed=0, held_out=True)
    with Progress("samples", samples) as progress:
        for number in range(samples):
            sample = stream[number * SAMPLE_STRIDE]
            condition, exemplar, exemplar_condition = (
                sample[name][None].numpy() for name in ("condition", "exemplar", "exemplar_condition")
            )
            reference = None
            for row in rows:
                encoded, _ = row.network.encode(exemplar, exemplar_condition)
                images, watched = row.network.render(encoded, condition)
                reference = images if reference is None else reference
                row.errors.append(mean_squared_error(images, reference))
                if bool(sample["same_identity"]):
                    truth = tensor_picture(sample["target"].numpy())
                    row.scores.compare("model", tensor_picture(images[0]), truth, None)
                if sample["correspondence"][2].any():
                    best = watched[row.matches][0, :, 0].reshape(info.height, info.width)
                    row.distances.add([BlockMatches(1, 0, best)], sample["correspondence"].numpy())
            progress.advance(1)


def time_frames(rows: list[Row], info: ModelMetadata, repeats: int = 7) -> None:
    """A frame of every file in turn, after one that warms up."""
    rng = np.random.default_rng(0)
    shape = (1, info.channels, info.height, info.width)
    condition = rng.integers(0, 256, shape, np.uint8)
    picture = rng.random((1, 3, info.height, info.width), np.float32) * 2 - 1
    with contextlib.ExitStack() as stack:
        engines = [
            (row, stack.enter_context(load_engine(row.path, "cpu"))) for row in rows if row.path is not None
        ]
        encoded = {row.name: engine.encode_exemplar(picture, condition) for row, engine in engines}
        for repeat in range(repeats + 1):
            for row, engine in engines:
                start = time.perf_counter()
                engine.render(encoded[row.name], condition)
                if repeat:
                    row.milliseconds.append((time.perf_counter() - start) * 1000)


def build(rows: list[Row], engine: Path, folder: Path) -> None:
    """Both halves by TensorRT-RTX, the eight-bit ones from the engine and the calibration file."""
    from dynast_deploy.commands.build_engine import build_engine

    for row in rows:
        name = row.name.lower().split("+")[0]
        if row.name == "INT8":
            continue  # the builder makes the rest float16
        calibration = folder / f"{engine.stem}.{name}.calibration.json"
        try:
            with contextlib.redirect_stdout(None):
                build_engine(
                    engine,
                    folder / f"{engine.stem}.{name}.plan",
                    **{name: True},
                    calibration=[calibration] if calibration.is_file() else None,
                    rtx=True,
                    compute_capabilities="8.9",
                    batch="1",
                )
            row.builds = "yes"
        except DynastError as error:
            row.builds = str(error)


def print_table(rows: list[Row], info: ModelMetadata, engine: Path, samples: int) -> None:
    """Print the table of one engine in Markdown."""
    print(f"\n{engine}, {info.height}x{info.width}, {samples} held-out samples\n")
    print("| | vs FP32, dB | truth, dB | SSIM | match, px | in 8 bits | file, MB | CPU, ms | RTX |")
    print("|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        scores = (row.scores.table() or [{}])[0]
        matching = row.distances.table()
        cells = [
            row.name,
            "" if row is rows[0] else f"{psnr_of_error(float(np.mean(row.errors)), data_range=2):.1f}",
            f"{scores['psnr_db']:.2f}" if scores else "",
            f"{scores['ssim']:.4f}" if scores else "",
            f"{matching[0]['median_px']:.2f}" if matching else "",
            f"{row.share:.1%}" if row.share else "",
            f"{row.path.stat().st_size / 1e6:.1f}" if row.path else "",
            f"{statistics.median(row.milliseconds):.0f}" if row.milliseconds else "",
            row.builds,
        ]
        print(f"| {' | '.join(cells)} |")


def main() -> None:
    """Measure and print; the text at the top of this file states the arguments."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("engines", nargs="*", default=[Path("examples/marionette.onnx")], type=Path)
    parser.add_argument("--frames", type=int, default=200, help="to calibrate on")
    parser.add_argument("--samples", type=int, default=40, help="to judge by")
    parser.add_argument("--out", type=Path, help="keep the files here")
    parser.add_argument("--rtx", action="store_true", help="build with TensorRT-RTX")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dynast-precision-") as temporary:
        folder = options.out or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for engine in options.engines:
            info = ModelMetadata.read(load_model(engine), str(engine))
            rows = rows_of(engine, folder, options.frames)
            paint(rows, info, options.samples)
            if options.rtx:
                build(rows, engine, folder)
            for row in rows:
                row.network = None  # type: ignore[assignment]  # its sessions would share the cores and the memory
            time_frames(rows, info)
            print_table(rows, info, engine, options.samples)


if __name__ == "__main__":
    main()
