"""A generator small enough for tests, with random weights, and its engine file."""

from __future__ import annotations

from pathlib import Path

import onnx
import torch

from dynast_deploy.checkpoint import save_generator
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.export.split import sha256
from dynast_deploy.export.to_onnx import build_model
from dynast_deploy.generator import Generator


def tiny_generator(semantic_nc: int = 20, crop_size: int = 32) -> Generator:
    torch.manual_seed(0)
    config = GeneratorConfig(
        semantic_nc, crop_size, ngf=4, max_multi=2, n_layers=2, pos_dim=2, prune_dim=3, smooth=0.1
    )
    return Generator(config).eval()


def write_tiny_checkpoint(path: Path, semantic_nc: int = 20, crop_size: int = 32) -> Path:
    save_generator(tiny_generator(semantic_nc, crop_size), path)
    return path


def write_tiny_engine(folder: Path, semantic_nc: int = 20, crop_size: int = 32) -> Path:
    """`folder/tiny<channels>.onnx`, written by the exporter from a checkpoint beside it."""
    checkpoint = write_tiny_checkpoint(folder / f"tiny{semantic_nc}.pth", semantic_nc, crop_size)
    generator = tiny_generator(semantic_nc, crop_size)
    task = generator.config.task
    onnx.save(
        build_model(generator, crop_size, crop_size, task, sha256(checkpoint)),
        checkpoint.with_suffix(".onnx"),
    )
    return checkpoint.with_suffix(".onnx")
