"""A generator small enough for tests, with random weights, and its engine file.

Where PyTorch is not installed, engines are copied from the folder in the environment variable DYNAST_TEST_ENGINES,
where `python tests/support/tiny_engine.py FOLDER` wrote them in an environment that has it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dynast_deploy.generator import Generator

KEPT = [(20, 32), (15, 32), (3, 32), (20, 64)]
"""Channels of the condition and picture size of the engines that are written for environments without PyTorch."""


def tiny_generator(semantic_nc: int = 20, crop_size: int = 32) -> Generator:
    import torch

    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.generator import Generator

    torch.manual_seed(0)
    config = GeneratorConfig(
        semantic_nc, crop_size, ngf=4, max_multi=2, n_layers=2, pos_dim=2, prune_dim=3, smooth=0.1
    )
    return Generator(config).eval()


def write_tiny_checkpoint(path: Path, semantic_nc: int = 20, crop_size: int = 32) -> Path:
    from dynast_deploy.checkpoint import save_generator

    save_generator(tiny_generator(semantic_nc, crop_size), path)
    return path


def write_tiny_engine(folder: Path, semantic_nc: int = 20, crop_size: int = 32) -> Path:
    """`folder/tiny<channels>.onnx`, written by the exporter from a checkpoint next to it."""
    if importlib.util.find_spec("torch") is None:
        return _copy_kept_engine(folder, semantic_nc, crop_size)
    import onnx

    from dynast_deploy.export.model import build_model
    from dynast_deploy.formats.onnx_model import sha256

    checkpoint = write_tiny_checkpoint(folder / f"tiny{semantic_nc}.pth", semantic_nc, crop_size)
    generator = tiny_generator(semantic_nc, crop_size)
    task = generator.config.task
    onnx.save(
        build_model(generator, crop_size, crop_size, task, sha256(checkpoint)),
        checkpoint.with_suffix(".onnx"),
    )
    return checkpoint.with_suffix(".onnx")


def _copy_kept_engine(folder: Path, semantic_nc: int, crop_size: int) -> Path:
    kept = Path(os.environ.get("DYNAST_TEST_ENGINES", "none")) / str(crop_size)
    if not (kept / f"tiny{semantic_nc}.onnx").is_file():
        pytest.skip("PyTorch is not installed, and DYNAST_TEST_ENGINES names no folder with this engine")
    for suffix in (".pth", ".onnx"):
        shutil.copy(kept / f"tiny{semantic_nc}{suffix}", folder)
    return folder / f"tiny{semantic_nc}.onnx"


if __name__ == "__main__":
    for channels, size in KEPT:
        place = Path(sys.argv[1]) / str(size)
        place.mkdir(parents=True, exist_ok=True)
        print(write_tiny_engine(place, channels, size))
