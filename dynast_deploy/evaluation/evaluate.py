"""Evaluate a checkpoint or an engine on held-out data: scores, matches, folders for FID, a page of pictures."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dynast_deploy.conditions import tensor_picture
from dynast_deploy.config import Task
from dynast_deploy.errors import DynastError
from dynast_deploy.evaluation.baselines import part_colours, parts_of
from dynast_deploy.evaluation.matching import MatchDistances, fetched, match_map, place_colours
from dynast_deploy.evaluation.models import EvaluatedModel, Rendering, load_evaluated_model
from dynast_deploy.evaluation.page import write_page
from dynast_deploy.evaluation.scores import Scores
from dynast_deploy.files.atomic_file import write_text
from dynast_deploy.files.result_folder import result_folder
from dynast_deploy.files.written_files import check_not_read, check_written_folder
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.tasks.preview import draw_condition

if TYPE_CHECKING:
    from dynast_deploy.data import Sample, SampleStream

REPORT, PAGE = "evaluation.json", "page.png"
"""In the folder that is written."""

PAGE_ROWS = 8

GAIN_BASELINES = {
    "over_baselines": ("exemplar", "part_colours"),
    "over_coarse_matches": ("coarse_matches",),
    "over_no_fine_attention": ("no_fine_attention",),
}
"""What the model's PSNR is set against: the best of each group."""

SAMPLE_STRIDE = 12
"""Drawn identities give this many pairs in a row: every 12th sample most often shows another one."""


@dataclass(frozen=True)
class EvaluationRequest:
    """What to evaluate on what. task: None for the model's; data: a source's name or folder, None for what ships."""

    model: Path
    task: Task | None
    data: str | None
    out: Path
    samples: int
    seed: int = 0
    device: str = "auto"
    ablate: bool = True


def evaluate(request: EvaluationRequest) -> dict[str, Any]:
    """Write `out/evaluation.json`, `out/page.png`, `out/real/` and `out/fake/`; returns what the JSON holds.

    Raises:
        DynastError: The model or the data cannot be used, or the folder cannot be written to or holds pictures already.
    """
    from dynast_deploy.tasks.training_data import training_data

    if request.samples < 1:
        raise DynastError(f"--samples {request.samples}: evaluate at least one")
    read = {"model being read": request.model, "data being read": request.data}
    check_written_folder("--out", request.out, read)
    check_not_read({"--out": [request.out / name for name in (REPORT, PAGE)]}, read)
    model = load_evaluated_model(request.model, request.task, request.device, request.ablate)
    with ExitStack() as stack:
        stack.callback(model.close)
        stream = training_data(model.task, request.data, model.size, request.seed, held_out=True)
        for folder in (request.out / "real", request.out / "fake"):
            stack.enter_context(result_folder(folder))
            if any(folder.iterdir()):
                raise DynastError(f"{folder} holds pictures already; name another --out, or remove it")
        return _Evaluation(request, model, stream).run()


class _Evaluation:
    """One run over the samples."""

    def __init__(self, request: EvaluationRequest, model: EvaluatedModel, stream: SampleStream) -> None:
        self.request, self.model, self.stream = request, model, stream
        self.scores, self.restyled, self.errors = Scores(), Scores(), MatchDistances()
        self.rows: list[dict[str, np.ndarray]] = []

    def run(self) -> dict[str, Any]:
        from dynast_deploy.progress import Progress

        count = self.request.samples
        step = SAMPLE_STRIDE if self.stream.entries is None else 1
        supervised = 0
        with Progress("evaluate", count) as progress:
            for number in range(count):
                sample = self.stream[number * step]
                self._one(number, sample)
                supervised += bool(sample["same_identity"])
                progress.advance(1)
        write_page(self.request.out / PAGE, self.rows)
        report = self._report(supervised)
        write_text(self.request.out / REPORT, json.dumps(report, indent=2) + "\n")
        return report

    def _one(self, number: int, sample: Sample) -> None:
        rendering = self.model.render(sample)
        pictures = {"model": tensor_picture(rendering.image)} | {
            name: tensor_picture(image) for name, image in rendering.ablations.items()
        }
        truth, exemplar = (tensor_picture(sample[name].numpy()) for name in ("target", "exemplar"))
        pictures["exemplar"] = exemplar
        figure = None
        if "target_surface" in sample:
            wanted, shown = (
                parts_of(sample[name].numpy()) for name in ("target_surface", "exemplar_surface")
            )
            figure = wanted > 0
            pictures["part_colours"] = part_colours(exemplar, shown, wanted)
        if bool(sample["same_identity"]):
            for way, picture in pictures.items():
                self.scores.compare(way, picture, truth, figure)
        else:
            self._restyled(sample, rendering)
        correspondence = sample["correspondence"].numpy()
        if rendering.matches is not None and correspondence[2].any():
            if figure is not None:
                correspondence = correspondence * figure
            self.errors.add(rendering.matches, correspondence)
        for folder, picture in (("real", truth), ("fake", pictures["model"])):
            write_picture(self.request.out / folder / f"{number:06}.png", picture)
        if number < PAGE_ROWS:
            self.rows.append(_row(sample, pictures, truth, rendering))

    def _restyled(self, sample: Sample, rendering: Rendering) -> None:
        """Without a truth: how far the palette is from the exemplar's, and the structure from the content's."""
        import torch

        from dynast_deploy.objective.picture_terms import palette, structure

        exemplar, content = sample["exemplar"][None], sample["target"][None]
        ways = {"model": rendering.image, **rendering.ablations}
        candidates = {name: torch.from_numpy(image)[None] for name, image in ways.items()}
        for way, picture in {**candidates, "exemplar": exemplar, "content": content}.items():
            self.restyled.add(way, "palette_to_exemplar", float(palette(picture, exemplar)))
            self.restyled.add(way, "structure_to_content", float(structure(picture, content)))

    def _report(self, supervised: int) -> dict[str, Any]:
        request, model = self.request, self.model
        report: dict[str, Any] = {
            "model": str(request.model),
            "task": model.task.value,
            "data": request.data or "shipped",
            "seed": request.seed,
            "size": model.size,
            "samples": request.samples,
            "of_one_identity": supervised,
        }
        if model.note:
            report["not_measured"] = model.note
        tables = {
            "pictures": self.scores.table(),
            "without_truth": self.restyled.table(),
            "matching": self.errors.table(),
        }
        report |= {name: table for name, table in tables.items() if table}
        if supervised:
            report["psnr_gain_db"] = self.scores.gains("model", "psnr_db", GAIN_BASELINES)
        return report


def _row(
    sample: Sample, pictures: dict[str, np.ndarray], truth: np.ndarray, rendering: Rendering
) -> dict[str, np.ndarray]:
    condition = np.rint(sample["condition"].numpy() * 255).astype(np.uint8)
    exemplar = pictures["exemplar"]
    row = {"exemplar": exemplar, "condition": draw_condition(condition), "result": pictures["model"]}
    row["truth" if bool(sample["same_identity"]) else "content"] = truth
    if "coarse_matches" in pictures:
        row["coarse matches only"] = pictures["coarse_matches"]
    if rendering.matches is not None:
        finest = rendering.matches[-1]
        row["fetched by matches"] = fetched(exemplar, finest)
        row["match map"] = match_map(finest, len(truth))
        correspondence = sample["correspondence"].numpy()
        if correspondence[2].any():
            row["true map"] = (
                place_colours(correspondence[0], correspondence[1])
                * (correspondence[2] > 0.5).astype(np.uint8)[..., None]
            )
    return row
