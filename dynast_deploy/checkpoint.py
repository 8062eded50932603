"""Checkpoints in and out: the published layout (a bare state dict) and our own (with configuration).

A file of ours is `{"format": "dynast-deploy", "version": 1, "config": {...}, "generator": state_dict, ...}`. Both load
with `weights_only=True`, so a checkpoint can never run code.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dynast_deploy.config import GeneratorConfig
from dynast_deploy.errors import DynastError
from dynast_deploy.generator import Generator
from dynast_deploy.whole_file import WholeFile

FORMAT = "dynast-deploy"


def load_generator(
    path: str | os.PathLike[str], top_k: int | None = None, smooth: float | None = None
) -> Generator:
    """An eval-mode generator on the CPU from a checkpoint.

    `top_k` (matches per query) and `smooth` (softmax temperature of the fine scales) are not written in published
    checkpoints, where they default to 4 and 0.01; given here, they also override what our own checkpoints hold.
    Raises DynastError if the file is missing, damaged, no checkpoint, holds anything but tensors and plain values,
    or if a parameter is missing, extra or of the wrong shape.
    """
    contents = read_checkpoint(path)
    state, config = generator_state(contents, str(path))
    given = {"top_k": top_k, "smooth": smooth}
    options = {name: value for name, value in given.items() if value is not None}
    if config is None:
        config = GeneratorConfig.from_state_dict(state, source=str(path), **options)  # type: ignore[arg-type]
    elif options:
        config = GeneratorConfig.from_dict({**config.to_dict(), **options}, str(path))
    generator = Generator(config)
    load_state(generator, state, str(path))
    return generator.eval()


def save_generator(generator: Generator, path: str | os.PathLike[str], **extra: Any) -> None:
    """Write our own layout; `extra` are further plain values or tensors. The file appears only when it is whole.

    Raises DynastError if it cannot be written.
    """
    contents = {
        "format": FORMAT,
        "version": 1,
        "config": generator.config.to_dict(),
        "generator": generator.state_dict(),
        **extra,
    }
    _save(contents, Path(path))


def save_published(generator: Generator, path: str | os.PathLike[str]) -> None:
    """Write the published layout: a bare state dict with the parameters of the published code, `embed_1` among them.

    `top_k` and `smooth` are not in it. The file appears only when it is whole; raises DynastError if it cannot be
    written.
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
    with WholeFile(path) as partial:
        try:
            torch.save(contents, partial)
        except RuntimeError as error:  # what its writer makes of a full disk
            raise DynastError(
                f"{path} cannot be written: {error}; free some space or name another folder"
            ) from error


def read_checkpoint(path: str | os.PathLike[str]) -> Mapping[str, Any]:
    """The file's dictionary, read without running any code of it."""
    path = Path(path)
    if not path.is_file():
        raise DynastError(f"{path}: no such checkpoint file")
    try:
        contents = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "weights_only" in str(error) or "Unsupported" in str(error):
            raise DynastError(
                f"{path}: refused, because it holds more than tensors and plain values, and loading that could run "
                "code; save the generator's state_dict() alone and load that"
            ) from None
        raise DynastError(f"{path}: damaged, or no PyTorch checkpoint") from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError):
        raise DynastError(f"{path}: damaged, or no PyTorch checkpoint") from None
    if not isinstance(contents, Mapping):
        raise DynastError(f"{path}: holds a {type(contents).__name__}, no generator state")
    return contents


def generator_state(
    contents: Mapping[str, Any], source: str
) -> tuple[dict[str, Tensor], GeneratorConfig | None]:
    """The generator's parameters, and its configuration where the file has one."""
    config = None
    if contents.get("format") == FORMAT:
        config = GeneratorConfig.from_dict(contents["config"], source)
        contents = contents["generator"]
    else:
        for wrapper in ("state_dict", "netG", "generator"):
            if isinstance(contents.get(wrapper), Mapping):
                contents = contents[wrapper]
                break
    state = {name.removeprefix("module."): tensor for name, tensor in contents.items()}
    if odd := [name for name, tensor in state.items() if not isinstance(tensor, Tensor)]:
        raise DynastError(f"{source}: entry {odd[0]} is no tensor, so this is no generator state")
    return state, config


def load_state(generator: Generator, state: Mapping[str, Tensor], source: str) -> None:
    """Copy parameters by name; every one that is missing, extra, misshapen or not finite is named in the error."""
    state = _used(state)
    check_state(generator, state, source)
    generator.load_state_dict(state)


def _used(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # Published checkpoints have an `embed_1` that nothing uses: the last fusion runs `embed_q1` again.
    return {name: tensor for name, tensor in state.items() if not name.startswith("embed_1.")}


def check_state(generator: Generator, state: Mapping[str, Tensor], source: str) -> None:
    """Raise what `load_state` would, and load nothing; the generator may be on the meta device."""
    state = _used(state)
    wanted = generator.state_dict()
    problems = [f"{name} is missing" for name in wanted if name not in state]
    problems += [f"{name} is extra" for name in state if name not in wanted]
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
        shown = "; ".join(problems[:4]) + (f"; and {len(problems) - 4} more" if len(problems) > 4 else "")
        raise DynastError(f"{source} does not fit the generator: {shown}")
