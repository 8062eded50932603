"""`dynast sensitivity`: the ranking as a table, as JSON and as a picture."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from dynast_deploy.calib.picture_quality import PictureQuality
from dynast_deploy.calib.quantize_model import RANKED_FRAMES, measured_ranges, read_float32_model
from dynast_deploy.calib.sensitivity import LayerSensitivity, sensitivity
from dynast_deploy.errors import DynastError
from dynast_deploy.export.quantizable import Part, matching
from dynast_deploy.files.atomic_file import AtomicFile, write_text
from dynast_deploy.files.written_files import check_written
from dynast_deploy.formats.precision import Method, Precision
from dynast_deploy.frames.read_frames import files_read, read_data
from dynast_deploy.frames.request import FrameRequest

NAMED = 20
"""Layers that the plot names."""


def run_sensitivity(
    path: Path,
    request: FrameRequest,
    method: Method,
    number_format: Precision,
    logits: bool,
    only: str | None,
    top: int,
    json_path: Path | None,
    plot_path: Path | None,
) -> list[LayerSensitivity]:
    """Measure, rank and print. See `dynast sensitivity --help`.

    Raises:
        DynastError: Model, data and options do not fit together, or a file cannot be written.
    """
    for option, file in (("--json", json_path), ("--plot", plot_path)):
        if file is not None and not os.path.isdir(file.parent):
            raise DynastError(f"{option} {file}: the folder {file.parent} does not exist")
    check_written({"--json": json_path, "--plot": plot_path}, files_read(request, path))
    if plot_path is not None:
        check_plot(plot_path)
    engine = read_float32_model(path)
    data = read_data(request, engine.info, str(path))
    measured, checks = data.split(RANKED_FRAMES)
    ranges = measured_ranges(engine, measured, method, number_format)
    layers = [layer for layer in engine.layers if logits or layer.part is not Part.LOGITS]
    if only is not None:
        names = matching(layers, only, "--only")
        layers = [layer for layer in layers if layer.name in names]
    ranking = sensitivity(engine.model, layers, ranges, number_format, PictureQuality(engine.model, checks))
    print_ranking(ranking[:top], len(ranking), number_format)
    if json_path is not None:
        write_text(json_path, json.dumps([asdict(row) for row in ranking], indent=1) + "\n")
    if plot_path is not None:
        draw_ranking(ranking, number_format, plot_path)
    return ranking


def print_ranking(ranking: Sequence[LayerSensitivity], of: int, number_format: Precision) -> None:
    """Print the lowest of `of` layers."""
    from rich.console import Console
    from rich.table import Table

    title = f"PSNR with one layer in {number_format.upper()}, the {len(ranking)} lowest of {of}"
    table = Table(title=title, title_justify="left")
    for heading in ("layer", "kind", "dB", "FLOPs"):
        table.add_column(heading, justify="right" if heading in ("dB", "FLOPs") else "left", no_wrap=True)
    for row in ranking:
        table.add_row(row.layer, row.part, f"{row.psnr:.1f}", f"{row.flops:.2%}")
    Console().print(table)


def check_plot(path: Path) -> None:
    """Check, before the work, that the plot can be drawn.

    Raises:
        DynastError: matplotlib is not installed, or does not write that kind of picture.
    """
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise DynastError("--plot needs matplotlib: pip install 'dynast-deploy[plot]'") from None
    kinds = FigureCanvasBase.get_supported_filetypes()
    if path.suffix[1:].lower() not in kinds:
        raise DynastError(
            f"--plot {path}: pictures are written as {', '.join(f'.{kind}' for kind in sorted(kinds))}"
        )


def draw_ranking(ranking: Sequence[LayerSensitivity], number_format: Precision, path: Path) -> None:
    """PSNR of all layers, the worst first, and the worst by name; `path` is one that `check_plot` lets pass.

    Raises:
        DynastError: The file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    everything, worst = figure.subplots(1, 2)
    colours = {part.value: f"C{number}" for number, part in enumerate(Part)}
    for part, colour in colours.items():
        places = [place for place, row in enumerate(ranking) if row.part == part]
        if places:
            psnrs = [ranking[place].psnr for place in places]
            everything.scatter(places, psnrs, s=12, color=colour, label=part)
    label = f"PSNR with this layer in {number_format.upper()}, dB"
    everything.set(xlabel="layers, the most sensitive first", ylabel=label)
    everything.legend()
    everything.grid(alpha=0.3)
    named = ranking[:NAMED]
    worst.barh(
        [row.layer for row in named],
        [row.psnr for row in named],
        color=[colours[row.part] for row in named],
    )
    worst.invert_yaxis()
    worst.tick_params(labelsize=7)
    worst.set(xlabel=label, xlim=(max(0, named[0].psnr - 10), named[-1].psnr + 2))
    worst.grid(alpha=0.3, axis="x")
    with AtomicFile(path) as partial:
        figure.savefig(partial, dpi=110)
