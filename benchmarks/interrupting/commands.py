"""Every command that writes files, with arguments that make it quick."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = ("-m", "dynast_deploy.commands.run", "--exemplar", "in/ref.png")
CLI = ("-m", "dynast_deploy.cli")
TINY = (
    "generator.crop_size=32", "generator.ngf=4", "generator.max_multi=1", "generator.n_layers=1", "generator.pos_dim=2",
    "generator.prune_dim=2", "generator.smooth=0.1", "objective.discriminator_channels=4",
    "objective.discriminator_layers=2", "data.workers=0", "data.batch=2", "schedule.warmup=2", "schedule.length=8",
    "output.log_every=1", "output.save_every=1",
)  # fmt: skip
COMMANDS: dict[str, tuple[str, ...]] = {
    "render": (*RUN, "--engine", "in/style.onnx", "--video", "in/clip.mp4", "-o", "out/o.mp4"),
    "render, poses": (
        *RUN, "--engine", "in/pose.onnx", "--video", "in/clip.mp4", "--poses", "in/poses.npz", "--exemplar-poses",
        "in/pose.npz", "-o", "out/o.mkv", "--save-poses", "out/used.npz",
    ),
    "pictures": (*RUN, "--engine", "in/style.onnx", "--images", "in/photos", "-o", "out"),
    "condition": (*CLI, "condition", "in/clip.mp4", "--poses", "in/poses.npz", "-o", "out/c.mp4"),
    "condition, picture": (*CLI, "condition", "in/ref.png", "--poses", "in/pose.npz", "-o", "out/c.png"),
    "convert": (*CLI, "convert", "in/style.pth", "out/c.pth", "--to", "published"),
    "to_onnx": (str(ROOT / "export" / "to_onnx.py"), "in/style.pth", "-o", "out/m.onnx"),
    "from_onnx": (str(ROOT / "export" / "from_onnx.py"), "in/style.onnx", "-o", "out/c.pth"),
    "build-engine": (
        *CLI, "build-engine", "--rtx", "--compute-capabilities", "8.9", "--optimization-level", "0", "--onnx",
        "in/style.onnx", "-o", "out/rtx.plan",
    ),
    "export-triton": (*CLI, "export-triton", "in/model.plan", "out/repository"),
    "data": (*CLI, "data", "--task", "style", "--size", "32", "--count", "2", "--out", "out/samples.png"),
    "calibrate": (
        *CLI, "calibrate", "in/style.onnx", "--data", "in/photos", "--exemplar", "in/ref.png", "--frames", "8", "-o",
        "out/q.onnx",
    ),
    "sensitivity": (
        *CLI, "sensitivity", "in/style.onnx", "--data", "in/photos", "--exemplar", "in/ref.png", "--frames", "8",
        "--only", "embed_q4", "--json", "out/s.json",
    ),
    "evaluate": (*CLI, "evaluate", "in/style.onnx", "--samples", "2", "--out", "out/evaluation"),
    "bench": (*CLI, "bench", "--ngf", "8", "--layers", "1", "--size", "64", "--repeats", "1", "--json", "out/b.json"),
    "bench, engines": (
        *CLI, "bench", "--engine", "in/style.onnx", "--engine", "in/other.onnx", "--repeats", "1", "--json",
        "out/b.json",
    ),
    "train": (*CLI, "train", "--task", "style", "--out", "out/run", *(f"--set={each}" for each in TINY)),
}  # fmt: skip
"""Arguments of Python, in a folder that holds `in/` and `out/`."""

EMPTIED = ("evaluate", "export-triton", "train")
"""Commands that need a new or empty folder each time."""

WHOLE_FOLDERS = ("export-triton",)
"""Commands whose output is a folder that appears with everything in it, or not at all."""

PACKAGES = {"build-engine": "tensorrt_rtx"}
"""The optional package that a command needs here."""


def missing_package(name: str) -> str | None:
    """The package without which a command cannot run here; None where it can."""
    package = PACKAGES.get(name)
    return package if package is not None and importlib.util.find_spec(package) is None else None
