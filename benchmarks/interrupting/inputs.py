"""Small engines, checkpoints, a plan, a clip, pictures and poses that every command is quick with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dynast_deploy.formats.manifest import BatchSizes, Manifest, PlanKind, TensorSpec
from dynast_deploy.formats.plan import write_plan_file
from dynast_deploy.formats.precision import Precision
from dynast_deploy.media.picture_files import write_picture
from dynast_deploy.media.video_writer import VideoWriter
from dynast_deploy.size import Size

FRAMES = 60
"""Frames of the clip."""

SIZE = 32
"""Height and width of the engines' pictures."""


def make_inputs(folder: Path) -> None:
    """Write all inputs into `folder`, a new one."""
    (folder / "photos").mkdir(parents=True)
    write_engines(folder)
    write_triton_plan(folder / "model.plan")
    rng = np.random.default_rng(0)
    for path in (folder / "ref.png", *(folder / "photos" / f"{number:02}.png" for number in range(30))):
        write_picture(path, rng.integers(0, 256, (64, 64, 3), np.uint8))
    with VideoWriter(folder / "clip.mp4", Size(64, 64), 25) as writer:
        for _ in range(FRAMES):
            writer.write(rng.integers(0, 256, (64, 64, 3), np.uint8))
    poses = np.concatenate([rng.uniform(8, 56, (FRAMES, 18, 2)), np.ones((FRAMES, 18, 1))], axis=2)
    np.savez(folder / "poses.npz", keypoints=poses)
    np.savez(folder / "pose.npz", keypoints=poses[:1])


def write_engines(folder: Path) -> None:
    """`style`, `other` (of the same task) and `pose`, each as `.pth` and `.onnx`, with random weights."""
    import onnx
    import torch

    from dynast_deploy.checkpoint import save_generator
    from dynast_deploy.config import GeneratorConfig
    from dynast_deploy.export.model import build_model
    from dynast_deploy.formats.onnx_model import sha256
    from dynast_deploy.generator import Generator

    for seed, (name, channels) in enumerate((("style", 3), ("other", 3), ("pose", 20))):
        torch.manual_seed(seed)
        config = GeneratorConfig(
            channels, SIZE, ngf=4, max_multi=2, n_layers=2, pos_dim=2, prune_dim=3, smooth=0.1
        )
        generator = Generator(config).eval()
        save_generator(generator, folder / f"{name}.pth")
        model = build_model(generator, SIZE, SIZE, config.task, sha256(folder / f"{name}.pth"))
        onnx.save(model, folder / f"{name}.onnx")


def write_triton_plan(path: Path) -> None:
    """A plan file for TensorRT whose two plans are random bytes: `export-triton` only copies them."""
    picture, condition, key = (
        (3, SIZE, SIZE),
        (3, SIZE, SIZE),
        TensorSpec("block0.key", "float16", (1, 24, 16)),
    )
    manifest = Manifest(
        kind=PlanKind.TENSORRT,
        library_version="10.9.0.34",
        gpu="NVIDIA GeForce RTX 4090",
        compute_capabilities=("8.9",),
        precision=Precision.FP16,
        task="style",
        channels=3,
        height=SIZE,
        width=SIZE,
        batch=BatchSizes(1, 2, 4),
        version_compatible=False,
        hardware_compatible=False,
        encoder_inputs=(
            TensorSpec("exemplar", "uint8", (1, *picture)),
            TensorSpec("exemplar_condition", "uint8", (1, *condition)),
        ),
        encoder_outputs=(key,),
        renderer_inputs=(TensorSpec("condition", "uint8", (-1, *condition)), key),
        renderer_outputs=(TensorSpec("image", "uint8", (-1, *picture)),),
        cut_tensors=(key.name,),
        source="style.onnx",
        source_sha256="0" * 64,
        plugin_version="1",
        producer_version="0.1.0",
    )
    rng = np.random.default_rng(0)
    write_plan_file(path, manifest, rng.bytes(8 << 20), rng.bytes(16 << 20))
