"""A generator with random weights, as a checkpoint and as the file that `dynast export` makes of it."""

from __future__ import annotations

from pathlib import Path

from dynast_deploy.errors import DynastError


def write_random_model(folder: Path, ngf: int, layers: int, size: int) -> tuple[Path, Path]:
    """`random.pth` and `random.onnx` in a folder: pose conditions, all else as published.

    Raises:
        DynastError: PyTorch is not installed, or the sizes do not make a generator.
    """
    try:
        import torch
    except ImportError:
        raise DynastError(
            "dynast bench compares with the published formulation in PyTorch, which is not installed: pip install torch"
        ) from None
    import onnx

    from dynast_deploy.checkpoint import save_generator
    from dynast_deploy.config import GeneratorConfig, Task
    from dynast_deploy.export.model import build_model
    from dynast_deploy.formats.onnx_model import sha256
    from dynast_deploy.generator import Generator

    torch.manual_seed(0)
    config = GeneratorConfig(Task.POSE.semantic_nc, crop_size=size, ngf=ngf, n_layers=layers)
    generator = Generator(config).eval()
    checkpoint, engine = folder / "random.pth", folder / "random.onnx"
    save_generator(generator, checkpoint)
    onnx.save(build_model(generator, size, size, Task.POSE, sha256(checkpoint)), engine)
    return checkpoint, engine
