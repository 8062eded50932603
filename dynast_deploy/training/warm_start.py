"""First weights from a checkpoint of another run."""

from __future__ import annotations

from pathlib import Path

from torch.nn.functional import interpolate

from dynast_deploy import checkpoint as checkpoints
from dynast_deploy.config import GeneratorConfig
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.generator import Generator


def stored_generator(checkpoint: Path) -> GeneratorConfig:
    """The architecture of a checkpoint, from its configuration or from the shapes of its parameters.

    Raises:
        DynastError: Where the file cannot be read or holds no generator.
    """
    return checkpoints.stored_generator(read_checkpoint(checkpoint), str(checkpoint)).config


def load_weights(generator: Generator, checkpoint: Path) -> None:
    """Copy the weights of a checkpoint of the same widths, its position code resized to this generator's pictures.

    Raises:
        DynastError: Where the file cannot be read, holds no generator, or one of other widths.
    """
    stored = checkpoints.stored_generator(read_checkpoint(checkpoint), str(checkpoint))
    state = checkpoints.fitting_state(stored.config, stored.state, str(checkpoint))
    state["pos_embed"] = interpolate(
        state["pos_embed"], generator.pos_embed.shape[-2:], mode="bilinear", align_corners=True
    )
    checkpoints.check_state(generator, state, str(checkpoint))
    generator.load_state_dict(state)
