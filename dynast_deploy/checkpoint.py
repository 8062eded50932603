"""Checkpoints in and out: the published layout (a bare state dict) and our own (with configuration).

A file of ours is `{"format": "dynast-deploy", "version": 1, "config": {...}, "generator": state_dict, ...}`. Neither
can run code (`checkpoint_file`), and what training scripts wrap a state dict in is understood (`generator_state`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.files.atomic_file import AtomicFile
from dynast_deploy.formats.checkpoint_file import read_checkpoint
from dynast_deploy.generator import Generator
from dynast_deploy.generator_state import find_generator, with_spectral_norm
from dynast_deploy.printable import cut, shown

FORMAT = "dynast-deploy"
VERSION = 1
_LONGEST_NAME = 100
"""Letters of a parameter's name in a message; those of a generator have up to 60."""


class StoredGenerator(NamedTuple):
    """What a checkpoint says of its generator.

    state: its parameters, float32. config: of the file, or of the parameters' shapes; stored_config says which. place:
    what wraps the state dict in the file, such as "params_ema"; empty where nothing does.
    """

    state: dict[str, Tensor]
    config: GeneratorConfig
    stored_config: bool
    place: str


def load_generator(
    path: str | os.PathLike[str], top_k: int | None = None, smooth: float | None = None
) -> Generator:
    """An eval-mode generator on the CPU from a checkpoint.

    `top_k` (matches per query) and `smooth` (softmax temperature of the fine scales) are not written in published
    checkpoints, where they default to 4 and 0.01; given here, they also override what our own checkpoints hold.

    Raises:
        DynastError: Naming the file, where it is missing, damaged, not a checkpoint or holds anything but tensors and
            plain values, and where a parameter is missing, extra, misshapen or not finite.
    """
    stored = stored_generator(read_checkpoint(path), str(path), top_k, smooth)
    state = fitting_state(stored.config, stored.state, str(path))
    generator = Generator(stored.config)
    generator.load_state_dict(state)
    return generator.eval()


def save_generator(generator: Generator, path: str | os.PathLike[str], **extra: Any) -> None:
    """Write our own layout; `extra` are further plain values or tensors. The file appears only when it is whole.

    Raises:
        DynastError: Where the file cannot be written.
    """
    contents = {
        "format": FORMAT,
        "version": VERSION,
        "config": generator.config.to_dict(),
        "generator": generator.state_dict(),
        **extra,
    }
    _save(contents, Path(path))


def save_published(generator: Generator, path: str | os.PathLike[str]) -> None:
    """Write the published layout: a bare state dict with the parameters of the published code, `embed_1` among them.

    `top_k` and `smooth` are not in it. The file appears only when it is whole.

    Raises:
        DynastError: Where the file cannot be written.
    """
    state = dict(generator.state_dict())
    # Nothing reads `embed_1`, but published code refuses a state without it; `embed_q1` has its shapes and its place.
    unused = {
        name.replace("embed_q1.", "embed_1."): tensor
        for name, tensor in state.items()
        if name.startswith("embed_q1.")
    }
    _save(state | unused, Path(path))


def _save(contents: Mapping[str, Any], path: Path) -> None:
    with AtomicFile(path) as partial:
        try:
            torch.save(contents, partial)
        except RuntimeError as error:  # what its writer makes of a full disk
            raise DynastError(
                f"{path} cannot be written: {error}; free some space or name another folder"
            ) from error


def stored_generator(
    contents: Mapping[str, Any], source: str, top_k: int | None = None, smooth: float | None = None
) -> StoredGenerator:
    """The generator in what `read_checkpoint` gave; `top_k` and `smooth` as for `load_generator`.

    Whether parameters and settings fit each other is what `fitting_state` says.

    Raises:
        DynastError: Naming `source`, where there is none, or one of another version of this package, and for settings
            that cannot be.
    """
    given = {"top_k": top_k, "smooth": smooth}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if contents.get("format") != FORMAT:
        state, place = find_generator(contents, source)
        return StoredGenerator(
            state, GeneratorConfig.from_state_dict(state, source=source, **options), False, place
        )
    if (version := contents.get("version")) != VERSION or type(version) is not int:
        raise DynastError(
            f"{source}: is of version {shown(version, 40)} of this package's checkpoints, and {VERSION} is what is "
            "read here; update dynast-deploy"
        )
    for name in ("config", "generator"):
        if not isinstance(contents.get(name), Mapping):
            raise DynastError(
                f"{source}: damaged, its {name!r} is {'missing' if name not in contents else 'not a table'}"
            )
    config = GeneratorConfig.from_dict({**contents["config"], **options}, source)
    return StoredGenerator(find_generator(contents["generator"], source).state, config, True, "")


def fitting_state(config: GeneratorConfig, state: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """The parameters of a generator of `config`, all of them and no others, before memory for one is asked for.

    Raises:
        DynastError: Naming `source` and each parameter that is missing, extra, misshapen or not finite.
    """
    with torch.device("meta"):
        generator = Generator(config)
    # Published checkpoints have an `embed_1` that nothing uses: the last fusion runs `embed_q1` again.
    used = {name: tensor for name, tensor in state.items() if not name.startswith("embed_1.")}
    used = with_spectral_norm(used, generator.state_dict())
    check_state(generator, used, source)
    return used


def check_state(module: nn.Module, state: Mapping[str, Tensor], source: str) -> None:
    """Refuse a state that does not fit the module, which may be on the meta device.

    Raises:
        DynastError: Naming `source` and each parameter that is missing, extra, misshapen or not finite.
    """
    wanted = module.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in state]
    problems += [f"{cut(name, _LONGEST_NAME)} is extra" for name in state if name not in wanted]
    problems += [
        f"{name} has shape {list(state[name].shape)} where {list(tensor.shape)} is needed"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    problems += [
        f"{name} has values that are not finite"
        for name, tensor in state.items()
        if name in wanted and tensor.is_floating_point() and not tensor.isfinite().all()
    ]
    if problems:
        first = "; ".join(problems[:4]) + (f"; and {len(problems) - 4} more" if len(problems) > 4 else "")
        raise DynastError(f"{source} does not fit the {type(module).__name__.lower()}: {first}")
