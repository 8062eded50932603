"""What a generator makes of samples, to look at."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from torch import Tensor

from dynast_deploy.generator import Generator
from dynast_deploy.layer_ops import to_map
from dynast_deploy.training.networks import Batch

ROWS = 4
"""Samples in a picture."""


@torch.no_grad()
def sample_grid(generator: Generator, batch: Batch) -> np.ndarray:
    """A row for each of the first samples: exemplar, condition, the exemplar as the last block warps it, the generated
    picture, the target. uint8 [H, W, 3].

    Raises:
        DynastError: Where the condition has other channels, or a height or width that is not a multiple of 8.
    """
    batch = {name: value[:ROWS] for name, value in batch.items()}
    encoded = generator.encode_exemplar(batch["exemplar"], batch["exemplar_condition"])
    image, attentions = generator.render_with_attention(encoded, batch["condition"], batch["exemplar"])
    assert attentions[-1].warped is not None
    warped = to_map(attentions[-1].warped, *image.shape[-2:])
    columns = [batch["exemplar"], coloured(batch["condition"]), warped, image, batch["target"]]
    # [columns, N, 3, H, W] -> [N * H, columns * W, 3]
    grid = torch.stack([column.float() for column in columns]).permute(1, 3, 0, 4, 2)
    grid = grid.flatten(0, 1).flatten(1, 2)
    return ((grid.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()


def coloured(condition: Tensor) -> Tensor:
    """A condition `[N, S, H, W]` in 0..1 as a picture in -1..1: the picture that it is, or a hue a channel."""
    channels = condition.shape[1]
    if channels == 3:
        return condition * 2 - 1
    hues = [colorsys.hsv_to_rgb(channel / channels, 1, 1) for channel in range(channels)]
    colours = condition.new_tensor(hues)[None, :, :, None, None]
    return (condition[:, :, None] * colours).amax(1) * 2 - 1
