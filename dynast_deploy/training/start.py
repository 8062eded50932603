"""First weights from a checkpoint of another run."""

from __future__ import annotations

from pathlib import Path

from torch.nn.functional import interpolate

from dynast_deploy.checkpoint import generator_state, load_state, read_checkpoint
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.generator import Generator


def stored_generator(checkpoint: Path) -> GeneratorConfig:
    """The architecture of a checkpoint, from its configuration or from the shapes of its parameters."""
    state, stored = generator_state(read_checkpoint(checkpoint), str(checkpoint))
    return stored or GeneratorConfig.from_state_dict(state, source=str(checkpoint))


def load_weights(generator: Generator, checkpoint: Path) -> None:
    """Copy the weights of a checkpoint of the same widths, its position code resized to this generator's pictures."""
    state, _ = generator_state(read_checkpoint(checkpoint), str(checkpoint))
    code = state.get("pos_embed")
    if code is not None and code.ndim == 4:
        state["pos_embed"] = interpolate(
            code, generator.pos_embed.shape[-2:], mode="bilinear", align_corners=True
        )
    load_state(generator, state, str(checkpoint))
