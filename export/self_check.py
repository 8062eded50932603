"""Does the exported file compute what the PyTorch generator computes?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dynast_deploy.errors import DynastError
from dynast_deploy.metrics import psnr
from dynast_deploy.onnxruntime_session import import_onnxruntime, make_session, refusing

if TYPE_CHECKING:
    from dynast_deploy.generator import Generator


@torch.no_grad()
def difference(generator: Generator, path: Path, height: int, width: int) -> str:
    """One line that compares both on random input.

    The temperature of the fine scales makes matching chaotic where weights are untrained: one flipped match changes
    the picture around it. The median error shows the arithmetic, the PSNR the consequence.

    Raises:
        DynastError: Where ONNX Runtime cannot run the file.
    """
    try:
        import_onnxruntime("comparing with PyTorch")
    except DynastError as missing:
        return f"not compared with PyTorch: {missing}"

    rng = np.random.default_rng(0)
    channels = generator.config.semantic_nc
    feed = {
        "condition": rng.random((1, channels, height, width), np.float32),
        "exemplar": rng.random((1, 3, height, width), np.float32) * 2 - 1,
        "exemplar_condition": rng.random((1, channels, height, width), np.float32),
    }
    with refusing(str(path)):
        exported = make_session(path).run(["image"], feed)[0]
    expected = generator(*(torch.from_numpy(feed[name]) for name in feed)).numpy()
    error = np.abs(exported.astype(np.float64) - expected)
    decibels = psnr(exported, expected, data_range=2)
    return f"against PyTorch on random input: PSNR {decibels:.1f} dB, median error {np.median(error):.1e}"
