"""Does the exported file compute what the PyTorch generator computes?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from dynast_deploy.generator import Generator


@torch.no_grad()
def difference(generator: Generator, path: Path, height: int, width: int) -> str:
    """One line that compares both on random input.

    The temperature of the fine scales makes matching chaotic where weights are untrained: one flipped match changes
    the picture around it. The median error shows the arithmetic, the PSNR the consequence.
    """
    try:
        import onnxruntime
    except ImportError:
        return "not compared with PyTorch, since onnxruntime is not installed: pip install onnxruntime"

    rng = np.random.default_rng(0)
    channels = generator.config.semantic_nc
    feed = {
        "condition": rng.random((1, channels, height, width), np.float32),
        "exemplar": rng.random((1, 3, height, width), np.float32) * 2 - 1,
        "exemplar_condition": rng.random((1, channels, height, width), np.float32),
    }
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    exported = session.run(["image"], feed)[0]
    expected = generator(*(torch.from_numpy(feed[name]) for name in feed)).numpy()
    error = np.abs(exported.astype(np.float64) - expected)
    psnr = 10 * np.log10(4 / max((error**2).mean(), 1e-30))
    return f"against PyTorch on random input: PSNR {psnr:.1f} dB, median error {np.median(error):.1e}"
