"""Checkpoints of a run: the averaged generator to use, and the whole state to go on from.

`generator.pth` and `training.pth` are of the same step. Both are of our own layout, so `load_generator` reads either.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dynast_deploy.checkpoint import save_generator, stored_generator
from dynast_deploy.errors import DynastError
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.training.networks import Networks
from dynast_deploy.training.stored_state import checked_state, checked_step, checked_weights

GENERATOR, TRAINING = "generator.pth", "training.pth"
STATE = "training_state"
"""The entry of `training.pth` that holds what is not needed to paint."""


def save_run(networks: Networks, out: Path, log: Mapping[str, Any], keep: bool = False) -> None:
    """Write both files, each in one piece or not at all; with `keep` also copies that carry the step in their name.

    Every process has to call this; the main one writes.

    Raises:
        DynastError: Where a file cannot be written.
    """
    state = networks.contents()
    if not networks.processes.main:
        return
    about = {
        "task": networks.config.task.value,
        "step": networks.step,
        "training": networks.config.to_dict(),
    }
    whole = {**about, STATE: {**state, "log": dict(log)}}
    if keep:
        save_generator(networks.average, out / f"generator-{networks.step:08d}.pth", **about)
        save_generator(networks.average, out / f"training-{networks.step:08d}.pth", **whole)
    save_generator(networks.average, out / GENERATOR, **about)
    save_generator(networks.average, out / TRAINING, **whole)


def restore_run(networks: Networks, out: Path) -> Mapping[str, Any]:
    """Go on from `out/training.pth`; returns what the log had gathered.

    Raises:
        DynastError: Naming the file, where there is none, where it is damaged, and where its networks are not those of
            the configuration.
    """
    path = out / TRAINING
    if not path.is_file():
        raise DynastError(f"{path}: no such file, so there is no run to resume in {out}; leave --resume out")
    contents = read_checkpoint(path)
    if STATE not in contents:
        raise DynastError(f"{path}: holds a generator and no state of its training; use it with --start-from")
    stored = stored_generator(contents, str(path))
    if stored.config.to_dict() != networks.generator.config.to_dict():
        raise DynastError(
            f"{path}: its generator has other settings than this run; give the same [generator]"
        )
    if not isinstance(contents[STATE], Mapping):
        raise DynastError(f"{path}: damaged, its {STATE} is not a table; use it with --start-from")
    if ("discriminator" in contents[STATE]) != (networks.discriminator is not None):
        raise DynastError(
            f"{path}: was trained {'with' if 'discriminator' in contents[STATE] else 'without'} a discriminator, "
            "unlike this run; begin another with --start-from"
        )
    average = checked_weights(networks.average, stored.state, str(path))
    state = checked_state(networks, contents[STATE], str(path))
    networks.restore(state, average, checked_step(contents, str(path)))
    log: Mapping[str, Any] = state["log"]
    return log
